/* POSIX mmap(), DESCRIPTION, MAP_SHARED and `off`: the object's byte off + n is changed. */
#include "../suite.h"

TEST {
    int fd = file(4 * page);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 2 * page);
    poke(p + 5, 0xee);
    holds(byte_in_file(fd, 2 * page + 5) == 0xee && byte_in_file(fd, 5) == pattern(5));
}
