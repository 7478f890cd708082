/* POSIX mlock(), ERRORS [EPERM], and mlock(2): no privilege, and RLIMIT_MEMLOCK is 0. */
#include "../suite.h"

TEST {
    be_ordinary();
    limit(RLIMIT_MEMLOCK, 0);
    fails(mlock(anonymous(page), page), EPERM);
}
