/* POSIX munlock(), DESCRIPTION: pages of the range, and no others. */
#include "../suite.h"

TEST {
    needs_lockable(4 * page);
    byte *p = anonymous(4 * page);
    long before = locked_bytes();
    must(mlock(p, 4 * page) == 0 && munlock(p + page, page) == 0);
    holds(locked_bytes() == before + 3 * (long)page);
}
