/* POSIX mmap(), DESCRIPTION: PROT_NONE: data cannot be accessed. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    attempt(poke(p, 1));
    holds(caught.signal == SIGSEGV);
}
