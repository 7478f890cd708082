/* POSIX <signal.h>, SIGSEGV: SEGV_MAPERR says address not mapped to object. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    must(munmap(p, page) == 0);
    attempt(peek(p));
    holds(caught.code == SEGV_MAPERR);
}
