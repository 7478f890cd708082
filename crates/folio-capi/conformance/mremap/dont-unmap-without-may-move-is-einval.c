/* mremap(2), ERRORS EINVAL: MREMAP_DONTUNMAP without MREMAP_MAYMOVE. */
#include "../suite.h"

TEST {
    fails(mremap(anonymous(page), page, page, MREMAP_DONTUNMAP, NULL), EINVAL);
}
