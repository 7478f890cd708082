/* mremap(2), MREMAP_DONTUNMAP: the mapping is at a new address. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    memset(p, 0xaa, 2 * page);
    byte *q = mremap(p, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    holds(q != MAP_FAILED && q != p && all(q, 0xaa, 2 * page));
}
