/* POSIX mmap(), DESCRIPTION: the reference stays until the last mapping goes; writes still count. */
#include "../suite.h"

TEST {
    int fd = file(page), other = reopen(fd, O_RDONLY);
    byte *p = shared(fd, page);
    must(close(fd) == 0);
    poke(p, 0xee);
    holds(byte_in_file(other, 0) == 0xee);
}
