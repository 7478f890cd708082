/* POSIX mprotect() and mmap() MAP_SHARED: a mapping that may be written now changes its object. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, 0);
    must(mprotect(p, page, PROT_READ | PROT_WRITE) == 0);
    attempt(poke(p, 0xee));
    holds(caught.signal == 0 && byte_in_file(fd, 0) == 0xee);
}
