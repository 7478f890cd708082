/* mmap(2), MAP_LOCKED: the region is locked in the same way as by mlock(2). */
#include "../suite.h"

TEST {
    needs_lockable(4 * page);
    long before = locked_bytes();
    must_map(4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    holds(locked_bytes() == before + 4 * (long)page);
}
