/* POSIX mmap(), DESCRIPTION, MAP_PRIVATE: each such mapping keeps its modifications to itself. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *other = must_map(page, PROT_READ, MAP_PRIVATE, fd, 0);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    poke(p, 0xee);
    holds(peek(other) == pattern(0));
}
