/* POSIX munmap(), ERRORS [EINVAL]: addresses are outside the valid range of the address space. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    fails(munmap(p, SIZE_MAX - page), EINVAL);
}
