/* POSIX mmap(), ERRORS [EINVAL]: the value of `len` is zero. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, 0, PROT_READ, MAP_SHARED, file(page), 0), EINVAL);
}
