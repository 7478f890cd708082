/* POSIX mmap(), DESCRIPTION, MAP_PRIVATE: what was modified is the process's own copy from then on. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    poke(p, 0xee);
    must_write(fd, "12345678", 8, 0);
    holds(peek(p) == 0xee);
}
