/* POSIX mprotect(), DESCRIPTION: PROT_NONE permits no access. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    must(mprotect(p, page, PROT_NONE) == 0);
    attempt(peek(p));
    holds(caught.signal == SIGSEGV);
}
