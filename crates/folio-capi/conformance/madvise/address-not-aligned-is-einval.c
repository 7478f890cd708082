/* madvise(2), ERRORS EINVAL: addr is not page-aligned. */
#include "../suite.h"

TEST {
    fails(madvise(anonymous(2 * page) + 1, page, MADV_NORMAL), EINVAL);
}
