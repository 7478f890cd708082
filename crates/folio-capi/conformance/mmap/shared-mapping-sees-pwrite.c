/* POSIX mmap(), DESCRIPTION, and write(): mapping and write() change one object; on Linux at once. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, 0);
    must(shows(p, 0, page));
    must_write(fd, "fresh", 5, 10);
    holds(memcmp(p + 10, "fresh", 5) == 0);
}
