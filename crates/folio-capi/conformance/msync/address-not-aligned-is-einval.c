/* POSIX msync(), ERRORS [EINVAL]: addr is not a multiple of the page size. */
#include "../suite.h"

TEST {
    fails(msync(shared(file(2 * page), 2 * page) + 1, page, MS_SYNC), EINVAL);
}
