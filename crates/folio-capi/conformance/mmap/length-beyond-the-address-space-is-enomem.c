/* POSIX mmap(), ERRORS [ENOMEM]: the range exceeds what is allowed for the address space. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, (size_t)1 << 62, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), ENOMEM);
}
