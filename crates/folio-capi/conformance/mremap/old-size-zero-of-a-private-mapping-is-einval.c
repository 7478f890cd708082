/* mremap(2), ERRORS EINVAL: old_size is zero, and the mapping is not shareable (Linux 4.14). */
#include "../suite.h"

TEST {
    fails(mremap(anonymous(page), 0, page, MREMAP_MAYMOVE), EINVAL);
}
