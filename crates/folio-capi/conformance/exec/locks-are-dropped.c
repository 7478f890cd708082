/* POSIX mlock() and exec: memory locks do not outlive an exec. */
#include "../suite.h"

TEST {
    if (after_exec()) {
        holds(locked_bytes() == 0);
        return;
    }
    needs_lockable(4 * page);
    must(mlock(anonymous(4 * page), 4 * page) == 0);
    exec_self("again");
}
