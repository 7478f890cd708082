/* mmap(2), MAP_SHARED with MAP_ANONYMOUS, and fork(2): memory of parent and child together. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child(poke(p, 0xee));
    holds(peek(p) == 0xee);
}
