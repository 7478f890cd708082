/* POSIX mmap(), ERRORS [ENOMEM]: the range exceeds what is allowed for the address space. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, SIZE_MAX, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
}
