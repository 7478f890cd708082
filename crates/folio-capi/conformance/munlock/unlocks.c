/* POSIX munlock(), DESCRIPTION: the pages are no longer locked. */
#include "../suite.h"

TEST {
    needs_lockable(4 * page);
    byte *p = anonymous(4 * page);
    long before = locked_bytes();
    must(mlock(p, 4 * page) == 0 && munlock(p, 4 * page) == 0);
    holds(locked_bytes() == before);
}
