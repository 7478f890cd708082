/* POSIX msync(), ERRORS [EINVAL]: the value of flags is invalid; msync(2): both are set. */
#include "../suite.h"

TEST {
    fails(msync(shared(file(page), page), page, MS_SYNC | MS_ASYNC), EINVAL);
}
