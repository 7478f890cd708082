/* mremap(2), DESCRIPTION: the mapping of a file is expanded over what follows in the file. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(4 * page), page);
    byte *q = mremap(p, page, 3 * page, MREMAP_MAYMOVE);
    holds(q != MAP_FAILED && shows(q, page, 3 * page));
}
