/* mremap(2), ERRORS EINVAL: MREMAP_DONTUNMAP, and old_size is not new_size. */
#include "../suite.h"

TEST {
    fails(mremap(anonymous(page), page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL);
}
