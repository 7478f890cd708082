/* POSIX mmap(), DESCRIPTION, MAP_SHARED: the object is one; another mapping of it shows the change. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = shared(fd, page), *other = must_map(page, PROT_READ, MAP_SHARED, fd, 0);
    must(peek(other) == pattern(0));
    poke(p, 0xee);
    holds(peek(other) == 0xee);
}
