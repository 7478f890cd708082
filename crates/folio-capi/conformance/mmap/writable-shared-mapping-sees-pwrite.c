/* POSIX mmap(), DESCRIPTION, and write(): after a store through the mapping it is still one object. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = shared(fd, page);
    poke(p, 0xee);
    must_write(fd, "fresh", 5, 10);
    holds(peek(p) == 0xee && memcmp(p + 10, "fresh", 5) == 0);
}
