/* mremap(2), ERRORS EINVAL: new_address is invalid. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page), *to = room(3 * page);
    fails(mremap(p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to + 1), EINVAL);
}
