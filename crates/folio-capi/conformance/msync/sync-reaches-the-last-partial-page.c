/* POSIX msync(), DESCRIPTION: whole pages that contain any part of the range are written. */
#include "../suite.h"

TEST {
    int fd = clean_file(3 * page);
    byte *p = shared(fd, 3 * page);
    poke(p + 2 * page, 0xee);
    needs(dirty_pages(fd, 0, 0) > 0, "a kernel that lets written pages wait");
    must(msync(p, 2 * page + 1, MS_SYNC) == 0);
    holds(dirty_pages(fd, 0, 0) == 0);
}
