/* POSIX mmap(), DESCRIPTION: the mapping adds a reference to the file that close() does not remove. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, 0);
    must(close(fd) == 0);
    holds(shows(p, 0, page));
}
