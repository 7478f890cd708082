/* madvise(2), MADV_WILLNEED: expect access in the near future; it reads ahead, and soon they are there. */
#include "../suite.h"

TEST {
    int fd = clean_file(4 * page), there = 0;
    must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    byte *p = must_map(4 * page, PROT_READ, MAP_SHARED, fd, 0);
    needs(!is_resident(p), "a file system that lets its pages go");
    must(madvise(p, 4 * page, MADV_WILLNEED) == 0);
    for (int i = 0; i < 500 && !there; i++, usleep(10000)) there = is_resident(p + 3 * page);
    holds(there);
}
