/* POSIX mmap(), DESCRIPTION: until it is modified, a private mapping shows the object. */
#include "../suite.h"

TEST {
    int fd = file(2 * page);
    byte *a = must_map(2 * page, PROT_READ, MAP_SHARED, fd, 0), *b = must_map(2 * page, PROT_READ, MAP_PRIVATE, fd, 0);
    holds(a != b && memcmp(a, b, 2 * page) == 0);
}
