/* mmap(2), MAP_STACK and MAP_NORESERVE: memory like any other. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    poke(p, 7);
    holds(peek(p) == 7 && all(p + 1, 0, page - 1));
}
