/* POSIX munmap(), ERRORS [EINVAL]: addr is not a multiple of the page size. */
#include "../suite.h"

TEST {
    fails(munmap(anonymous(2 * page) + 1, page), EINVAL);
}
