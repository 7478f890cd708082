/* POSIX mlock(), DESCRIPTION: locks of one process do not nest; one munlock() undoes them. */
#include "../suite.h"

TEST {
    needs_lockable(page);
    byte *p = anonymous(page);
    long before = locked_bytes();
    must(mlock(p, page) == 0 && mlock(p, page) == 0 && munlock(p, page) == 0);
    holds(locked_bytes() == before);
}
