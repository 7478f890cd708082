/* POSIX mmap(), DESCRIPTION: the implementation shall not permit a write where PROT_WRITE has not been set. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_PRIVATE, file(page), 0);
    attempt(poke(p, 1));
    holds(caught.signal == SIGSEGV);
}
