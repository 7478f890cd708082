/* mremap(2), ERRORS ENOMEM: it cannot be expanded at its address, and MREMAP_MAYMOVE is not set. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    fails(mremap(p, page, 2 * page, 0), ENOMEM);
}
