/* POSIX msync(), ERRORS [ENOMEM]: addresses of the range are not mapped. */
#include "../suite.h"

TEST {
    fails(msync(hole(page), page, MS_ASYNC), ENOMEM);
}
