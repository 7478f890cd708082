/* POSIX munlockall(), DESCRIPTION: all currently mapped pages are unlocked. */
#include "../suite.h"

TEST {
    needs_lockable(4 * page);
    must(mlock(anonymous(4 * page), 4 * page) == 0 && munlockall() == 0);
    holds(locked_bytes() == 0);
}
