/* POSIX munmap(), DESCRIPTION: mappings, not objects, are removed. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *a = shared(fd, page), *b = shared(fd, page);
    must(munmap(a, page) == 0);
    holds(shows(b, 0, page));
}
