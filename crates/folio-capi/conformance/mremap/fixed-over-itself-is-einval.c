/* mremap(2), ERRORS EINVAL: the new address range overlaps the old one. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    fails(mremap(p, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, p + page), EINVAL);
}
