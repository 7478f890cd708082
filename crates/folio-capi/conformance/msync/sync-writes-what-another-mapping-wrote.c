/* POSIX msync(), DESCRIPTION: the object is one; what is modified in the range is written, whoever
 * modified it. */
#include "../suite.h"

TEST {
    int fd = clean_file(page);
    byte *p = shared(fd, page), *other = shared(fd, page);
    poke(other, 0xee);
    needs(dirty_pages(fd, 0, 0) > 0, "a kernel that lets written pages wait");
    must(msync(p, page, MS_SYNC) == 0);
    holds(dirty_pages(fd, 0, 0) == 0);
}
