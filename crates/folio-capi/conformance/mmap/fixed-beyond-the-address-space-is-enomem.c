/* POSIX mmap(), ERRORS [ENOMEM]: MAP_FIXED, and the range exceeds what is allowed for the address space. */
#include "../suite.h"

TEST {
    fails(mmap((void *)((uintptr_t)1 << 62), page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
}
