/* mremap(2), ERRORS EINVAL: new_size is zero. */
#include "../suite.h"

TEST {
    fails(mremap(anonymous(page), page, 0, MREMAP_MAYMOVE), EINVAL);
}
