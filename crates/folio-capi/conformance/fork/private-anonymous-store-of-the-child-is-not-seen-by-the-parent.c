/* POSIX fork(), DESCRIPTION: changes the child makes to private memory are visible only to it. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    poke(p, 0xaa);
    child(poke(p, 0xee));
    holds(peek(p) == 0xaa);
}
