/* mmap(2), ERRORS ENOMEM: RLIMIT_DATA would be exceeded (by private writable memory, Linux 4.7). */
#include "../suite.h"

TEST {
    limit(RLIMIT_DATA, (size_t)64 << 20);
    fails(mmap(NULL, (size_t)128 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
}
