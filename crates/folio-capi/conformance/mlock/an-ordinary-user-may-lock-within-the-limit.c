/* mlock(2), Limits and permissions: an unprivileged process may lock up to RLIMIT_MEMLOCK. */
#include "../suite.h"

TEST {
    be_ordinary();
    limit(RLIMIT_MEMLOCK, 4 * page);
    works(mlock(anonymous(4 * page), 4 * page));
}
