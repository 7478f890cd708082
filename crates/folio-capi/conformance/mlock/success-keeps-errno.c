/* errno(3): on Linux a call that succeeds leaves errno alone. */
#include "../suite.h"

TEST {
    needs_lockable(page);
    byte *p = anonymous(page);
    keeps_errno(mlock(p, page));
}
