/* POSIX mmap(), DESCRIPTION, MAP_SHARED: mappings may overlap in the object, and show its bytes. */
#include "../suite.h"

TEST {
    int fd = file(3 * page);
    byte *p = shared(fd, 3 * page), *other = must_map(page, PROT_READ, MAP_SHARED, fd, page);
    poke(p + page + 3, 0xee);
    holds(peek(other + 3) == 0xee);
}
