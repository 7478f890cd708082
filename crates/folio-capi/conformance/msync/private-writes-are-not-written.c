/* POSIX msync(), DESCRIPTION: on MAP_PRIVATE mappings modified data is not written to the object. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    poke(p, 0xee);
    must(msync(p, page, MS_SYNC) == 0);
    holds(byte_in_file(fd, 0) == pattern(0));
}
