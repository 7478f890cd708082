/* POSIX munmap(), DESCRIPTION: further references to these pages deliver SIGSEGV. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    must(munmap(p, page) == 0);
    attempt(peek(p));
    holds(caught.signal == SIGSEGV);
}
