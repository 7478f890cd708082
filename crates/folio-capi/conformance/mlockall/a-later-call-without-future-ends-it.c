/* mlock(2), NOTES: MCL_FUTURE is lost by another call without it. */
#include "../suite.h"

TEST {
    needs_lockable((size_t)1 << 30);
    must(mlockall(MCL_FUTURE) == 0 && mlockall(MCL_CURRENT) == 0);
    long before = locked_bytes();
    must(mmap(NULL, 64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    holds(locked_bytes() == before);
}
