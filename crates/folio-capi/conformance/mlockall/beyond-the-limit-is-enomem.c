/* POSIX mlockall(), ERRORS [ENOMEM]: locking all pages mapped would exceed a limit on locked memory. */
#include "../suite.h"

TEST {
    be_ordinary();
    limit(RLIMIT_MEMLOCK, 4 * page);
    fails(mlockall(MCL_CURRENT), ENOMEM);
}
