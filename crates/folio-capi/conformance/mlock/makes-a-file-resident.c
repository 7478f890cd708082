/* POSIX mlock(), DESCRIPTION: after it the pages of the range are resident. */
#include "../suite.h"

TEST {
    needs_lockable(8 * page);
    int fd = clean_file(8 * page);
    must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    byte *p = must_map(8 * page, PROT_READ, MAP_SHARED, fd, 0);
    needs(!is_resident(p + 7 * page), "a file system that lets its pages go");
    must(mlock(p, 8 * page) == 0);
    int there = 0;
    for (int i = 0; i < 8; i++) there += is_resident(p + i * page);
    holds(there == 8);
}
