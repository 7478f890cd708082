/* POSIX munmap(), ERRORS [EINVAL]: addresses are outside the valid range of the address space. */
#include "../suite.h"

TEST {
    fails(munmap((void *)((uintptr_t)1 << 62), page), EINVAL);
}
