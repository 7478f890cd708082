/* POSIX mprotect(), DESCRIPTION: for those whole pages that contain any part of the range. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    must(mprotect(p, page + 1, PROT_READ) == 0);
    attempt(poke(p + page, 1));
    holds(caught.signal == SIGSEGV);
}
