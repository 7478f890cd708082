/* POSIX mmap(), DESCRIPTION: a write that is not permitted does not succeed. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, 0);
    attempt(poke(p, 0xee));
    holds(byte_in_file(fd, 0) == pattern(0));
}
