/* mremap(2), MREMAP_MAYMOVE: offsets from the mapping's start keep their meaning. */
#include "../suite.h"

TEST {
    byte *p = anonymous(4 * page);
    for (size_t i = 0; i < 3 * page; i++) p[i] = pattern(i);
    byte *q = mremap(p, 3 * page, 5 * page, MREMAP_MAYMOVE);
    holds(q != MAP_FAILED && q != p && shows(q, 0, 3 * page));
}
