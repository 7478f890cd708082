/* mremap(2), ERRORS EINVAL: MREMAP_FIXED without MREMAP_MAYMOVE. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page), *to = room(page);
    fails(mremap(p, page, page, MREMAP_FIXED, to), EINVAL);
}
