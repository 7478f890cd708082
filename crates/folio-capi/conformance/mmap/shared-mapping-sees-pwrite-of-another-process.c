/* POSIX mmap(), DESCRIPTION, and write(): one object, whoever writes. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, 0);
    must(shows(p, 0, page));
    child(must_write(fd, "fresh", 5, 10));
    holds(memcmp(p + 10, "fresh", 5) == 0);
}
