/* syscall(2), munlock(2): locks are the kernel's. */
#include "../suite.h"

TEST {
    needs_lockable(page);
    byte *p = anonymous(page);
    long before = locked_bytes();
    must(mlock(p, page) == 0 && syscall(SYS_munlock, p, page) == 0);
    holds(locked_bytes() == before);
}
