/* mlock(2), Linux notes: addr is rounded down to the nearest page boundary. */
#include "../suite.h"

TEST {
    needs_lockable(2 * page);
    long before = locked_bytes();
    must(mlock(anonymous(2 * page) + page - 1, 2) == 0);
    holds(locked_bytes() == before + 2 * (long)page);
}
