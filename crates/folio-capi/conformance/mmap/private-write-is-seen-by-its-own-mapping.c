/* POSIX mmap(), DESCRIPTION, MAP_PRIVATE: modifications are visible to the calling process. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file(page), 0);
    poke(p + 9, 0xee);
    holds(peek(p + 9) == 0xee && shows(p, 0, 9) && shows(p + 10, 10, page - 10));
}
