/* POSIX mlockall(), DESCRIPTION, MCL_CURRENT: what becomes mapped later is another flag's. */
#include "../suite.h"

TEST {
    needs_lockable((size_t)1 << 30);
    must(mlockall(MCL_CURRENT) == 0);
    long before = locked_bytes();
    must(mmap(NULL, 64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    holds(locked_bytes() == before);
}
