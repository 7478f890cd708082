/* POSIX mlockall(), ERRORS [EINVAL]: the flags argument is zero. */
#include "../suite.h"

TEST {
    fails(mlockall(0), EINVAL);
}
