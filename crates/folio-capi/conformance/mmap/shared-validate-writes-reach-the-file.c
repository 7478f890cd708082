/* mmap(2), MAP_SHARED_VALIDATE: the same behaviour as MAP_SHARED. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE, fd, 0);
    poke(p, 0xee);
    holds(byte_in_file(fd, 0) == 0xee);
}
