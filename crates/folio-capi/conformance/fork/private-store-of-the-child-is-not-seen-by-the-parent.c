/* POSIX fork(), DESCRIPTION: changes the child makes to MAP_PRIVATE pages are visible only to it. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file(page), 0);
    poke(p, 0xaa);
    child(poke(p, 0xee); holds(peek(p) == 0xee));
    holds(peek(p) == 0xaa);
}
