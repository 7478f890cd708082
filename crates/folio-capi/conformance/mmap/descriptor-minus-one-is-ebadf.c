/* mmap(2), ERRORS EBADF: fd is not a valid descriptor, and MAP_ANONYMOUS was not set. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
}
