/* POSIX mprotect() and mmap() MAP_PRIVATE: the sharing is not changed by it. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ, MAP_PRIVATE, fd, 0);
    must(mprotect(p, page, PROT_READ | PROT_WRITE) == 0);
    poke(p, 0xee);
    holds(byte_in_file(fd, 0) == pattern(0));
}
