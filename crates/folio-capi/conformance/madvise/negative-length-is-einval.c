/* madvise(2), ERRORS EINVAL: length is negative. */
#include "../suite.h"

TEST {
    fails(madvise(anonymous(page), (size_t)-1 - page, MADV_NORMAL), EINVAL);
}
