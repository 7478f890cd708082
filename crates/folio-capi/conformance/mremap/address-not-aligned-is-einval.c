/* mremap(2), ERRORS EINVAL: old_address is not page aligned. */
#include "../suite.h"

TEST {
    fails(mremap(anonymous(2 * page) + 1, page, page, MREMAP_MAYMOVE), EINVAL);
}
