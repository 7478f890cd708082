/* getrlimit(2), RLIMIT_AS, and POSIX mmap(), ERRORS [ENOMEM]: the address space may not grow so far. */
#include "../suite.h"

TEST {
    limit(RLIMIT_AS, (size_t)256 << 20);
    fails(mmap(NULL, (size_t)512 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), ENOMEM);
}
