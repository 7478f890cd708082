/* POSIX msync(), ERRORS [ENOMEM]: addresses of the range are invalid for the address space. */
#include "../suite.h"

TEST {
    fails(msync(shared(file(page), page), SIZE_MAX - 2 * page, MS_SYNC), ENOMEM);
}
