/* mremap(2), MREMAP_MAYMOVE: the kernel may relocate the mapping. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    byte *q = mremap(p, page, 4 * page, MREMAP_MAYMOVE);
    holds(q != MAP_FAILED && q != p && is_mapped(q + 3 * page));
}
