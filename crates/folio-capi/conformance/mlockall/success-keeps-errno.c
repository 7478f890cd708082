/* errno(3): on Linux a call that succeeds leaves errno alone. */
#include "../suite.h"

TEST {
    needs_lockable((size_t)1 << 30);
    keeps_errno(mlockall(MCL_CURRENT));
}
