/* mremap(2), DESCRIPTION: the same pages of the file. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(3 * page), 2 * page);
    byte *q = mremap(p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, room(page));
    holds(q != MAP_FAILED && shows(q, 2 * page, page));
}
