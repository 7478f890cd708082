/* POSIX munmap(), DESCRIPTION: modifications of a MAP_PRIVATE mapping are discarded. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    poke(p, 0xee);
    must(munmap(p, page) == 0);
    holds(peek(must_map(page, PROT_READ, MAP_PRIVATE, fd, 0)) == pattern(0));
}
