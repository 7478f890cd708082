/* mremap(2), DESCRIPTION: old_address and old_size name the block; it may be part of a mapping. */
#include "../suite.h"

TEST {
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, file(3 * page), 0);
    byte *q = mremap(p + page, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, room(page));
    holds(q != MAP_FAILED && shows(q, page, page) && !is_mapped(p + page) && shows(p, 0, page));
}
