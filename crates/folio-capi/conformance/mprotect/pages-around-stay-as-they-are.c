/* POSIX mprotect(), DESCRIPTION: for those whole pages that contain any part of the range. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    must(mprotect(p + page, page, PROT_NONE) == 0);
    attempt(poke(p, 1); poke(p + 2 * page, 1));
    holds(caught.signal == 0);
}
