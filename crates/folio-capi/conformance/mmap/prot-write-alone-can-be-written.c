/* POSIX mmap(), DESCRIPTION: PROT_WRITE: data can be written. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_WRITE, MAP_SHARED, fd, 0);
    attempt(poke(p, 0xee));
    holds(caught.signal == 0 && byte_in_file(fd, 0) == 0xee);
}
