/* mlock(2), NOTES: the MCL_FUTURE setting is cleared by an execve(2). */
#include "../suite.h"

TEST {
    if (after_exec()) {
        anonymous(4 * page);
        holds(locked_bytes() == 0);
        return;
    }
    needs_lockable((size_t)1 << 30);
    must(mlockall(MCL_FUTURE) == 0);
    exec_self("again");
}
