/* POSIX munlockall(), DESCRIPTION: it ends what MCL_FUTURE asked for. */
#include "../suite.h"

TEST {
    needs_lockable((size_t)1 << 30);
    must(mlockall(MCL_CURRENT | MCL_FUTURE) == 0 && munlockall() == 0);
    anonymous(4 * page);
    holds(locked_bytes() == 0);
}
