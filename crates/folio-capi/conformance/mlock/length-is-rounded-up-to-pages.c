/* POSIX mlock(), DESCRIPTION: whole pages that contain any part of the range are locked. */
#include "../suite.h"

TEST {
    needs_lockable(2 * page);
    long before = locked_bytes();
    must(mlock(anonymous(2 * page), page + 1) == 0);
    holds(locked_bytes() == before + 2 * (long)page);
}
