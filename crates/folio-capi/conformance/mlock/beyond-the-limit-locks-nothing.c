/* mlock(2), RETURN VALUE: on error no locks of the process are changed. */
#include "../suite.h"

TEST {
    be_ordinary();
    limit(RLIMIT_MEMLOCK, 4 * page);
    must(mlock(anonymous(16 * page), 16 * page) == -1);
    holds(locked_bytes() == 0);
}
