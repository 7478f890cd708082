/* POSIX mmap(), ERRORS [EBADF]: fildes is not a valid open file descriptor. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, MAP_SHARED, 987654, 0), EBADF);
}
