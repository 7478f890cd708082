/* POSIX msync(), DESCRIPTION: with MAP_PRIVATE it shall not discard what was modified. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file(page), 0);
    poke(p, 0xee);
    must(msync(p, page, MS_SYNC | MS_INVALIDATE) == 0);
    holds(peek(p) == 0xee);
}
