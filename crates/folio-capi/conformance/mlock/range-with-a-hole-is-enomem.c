/* POSIX mlock(), ERRORS [ENOMEM]: some of the range does not correspond to mapped pages. */
#include "../suite.h"

TEST {
    needs_lockable(3 * page);
    byte *p = anonymous(3 * page);
    must(munmap(p + page, page) == 0);
    fails(mlock(p, 3 * page), ENOMEM);
}
