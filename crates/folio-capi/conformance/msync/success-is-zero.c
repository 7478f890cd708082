/* POSIX msync(), RETURN VALUE: upon successful completion 0. */
#include "../suite.h"

TEST {
    holds(msync(shared(file(page), page), page, MS_SYNC) == 0);
}
