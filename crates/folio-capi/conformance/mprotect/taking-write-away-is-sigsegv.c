/* POSIX mprotect(), DESCRIPTION: a write without PROT_WRITE is not permitted. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    must(mprotect(p, page, PROT_READ) == 0);
    attempt(poke(p, 1));
    holds(caught.signal == SIGSEGV && caught.code == SEGV_ACCERR);
}
