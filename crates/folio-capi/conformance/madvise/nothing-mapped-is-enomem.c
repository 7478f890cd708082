/* madvise(2), ERRORS ENOMEM: addresses of the range are not mapped. */
#include "../suite.h"

TEST {
    fails(madvise(hole(page), page, MADV_NORMAL), ENOMEM);
}
