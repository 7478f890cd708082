/* mlock(2), NOTES: the MCL_FUTURE setting is not inherited by a child. */
#include "../suite.h"

TEST {
    needs_lockable((size_t)1 << 30);
    must(mlockall(MCL_FUTURE) == 0);
    child(anonymous(4 * page); holds(locked_bytes() == 0));
}
