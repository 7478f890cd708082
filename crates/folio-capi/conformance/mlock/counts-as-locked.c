/* mlock(2), Linux notes: VmLck shows how much memory is locked. */
#include "../suite.h"

TEST {
    needs_lockable(8 * page);
    long before = locked_bytes();
    must(mlock(anonymous(8 * page), 8 * page) == 0);
    holds(locked_bytes() == before + 8 * (long)page);
}
