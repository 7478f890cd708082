/* POSIX msync(), DESCRIPTION: MS_SYNC returns when all write operations are completed. cachestat(2)
 * tells which pages still wait. */
#include "../suite.h"

TEST {
    int fd = clean_file(4 * page);
    byte *p = shared(fd, 4 * page);
    memset(p, 0xee, 4 * page);
    needs(dirty_pages(fd, 0, 0) > 0, "a kernel that lets written pages wait");
    must(msync(p, 4 * page, MS_SYNC) == 0);
    holds(dirty_pages(fd, 0, 0) == 0);
}
