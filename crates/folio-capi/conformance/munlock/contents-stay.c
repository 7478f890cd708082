/* POSIX munlock(), DESCRIPTION: it takes the lock away, nothing else. */
#include "../suite.h"

TEST {
    needs_lockable(page);
    byte *p = anonymous(page);
    memset(p, 0xaa, page);
    must(mlock(p, page) == 0 && munlock(p, page) == 0);
    holds(all(p, 0xaa, page));
}
