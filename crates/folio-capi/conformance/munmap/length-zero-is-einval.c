/* POSIX munmap(), ERRORS [EINVAL]: `len` is 0. */
#include "../suite.h"

TEST {
    fails(munmap(anonymous(page), 0), EINVAL);
}
