/* madvise(2), ERRORS EINVAL: advice is not valid. */
#include "../suite.h"

TEST {
    fails(madvise(anonymous(page), page, 7777), EINVAL);
}
