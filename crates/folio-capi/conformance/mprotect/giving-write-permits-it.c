/* POSIX mprotect(), DESCRIPTION: the protection becomes what prot says. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(mprotect(p, page, PROT_READ | PROT_WRITE) == 0);
    attempt(poke(p, 7));
    holds(caught.signal == 0 && peek(p) == 7);
}
