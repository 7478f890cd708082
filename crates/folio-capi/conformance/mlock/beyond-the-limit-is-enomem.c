/* mlock(2), ERRORS ENOMEM: a nonzero RLIMIT_MEMLOCK, and more than it was asked for. */
#include "../suite.h"

TEST {
    be_ordinary();
    limit(RLIMIT_MEMLOCK, 4 * page);
    fails(mlock(anonymous(16 * page), 16 * page), ENOMEM);
}
