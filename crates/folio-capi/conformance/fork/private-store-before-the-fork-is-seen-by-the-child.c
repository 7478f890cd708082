/* POSIX fork(), DESCRIPTION: MAP_PRIVATE pages modified before the fork are the child's as well. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file(page), 0);
    poke(p, 0xee);
    child(holds(peek(p) == 0xee && shows(p + 1, 1, page - 1)));
}
