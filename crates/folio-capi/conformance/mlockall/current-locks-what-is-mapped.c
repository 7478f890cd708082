/* POSIX mlockall(), DESCRIPTION, MCL_CURRENT: all pages currently mapped are locked. */
#include "../suite.h"

TEST {
    needs_lockable((size_t)1 << 30);
    byte *p = anonymous(64 * page);
    must(mlockall(MCL_CURRENT) == 0);
    int there = 0;
    for (int i = 0; i < 64; i++) there += is_resident(p + i * page);
    holds(there == 64 && locked_bytes() >= 64 * (long)page);
}
