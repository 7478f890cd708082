/* POSIX mmap(), DESCRIPTION: a page shows the object as it is when it is referred to, not as it was. */
#include "../suite.h"

TEST {
    int fd = file(4 * page);
    byte *p = must_map(4 * page, PROT_READ, MAP_SHARED, fd, 0);
    must_write(fd, "fresh", 5, 3 * page);
    holds(memcmp(p + 3 * page, "fresh", 5) == 0);
}
