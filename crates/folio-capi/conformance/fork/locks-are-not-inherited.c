/* POSIX fork(), DESCRIPTION, and mlock(): memory locks are not inherited by the child. */
#include "../suite.h"

TEST {
    needs_lockable(4 * page);
    byte *p = anonymous(4 * page);
    must(mlock(p, 4 * page) == 0);
    child(holds(locked_bytes() == 0));
}
