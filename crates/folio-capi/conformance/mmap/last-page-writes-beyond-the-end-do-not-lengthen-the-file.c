/* POSIX mmap(), DESCRIPTION: references beyond the object's end do not change its size. */
#include "../suite.h"

TEST {
    int fd = file(100);
    byte *p = shared(fd, page);
    memset(p + 100, 0xee, page - 100);
    must(msync(p, page, MS_SYNC) == 0);
    struct stat s;
    holds(fstat(fd, &s) == 0 && s.st_size == 100);
}
