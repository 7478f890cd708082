/* POSIX <signal.h>, SIGSEGV: SEGV_ACCERR says invalid permissions for a mapped object. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    attempt(poke(p, 1));
    holds(caught.code == SEGV_ACCERR);
}
