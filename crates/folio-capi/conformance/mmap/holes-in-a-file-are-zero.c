/* POSIX lseek() and mmap(): a gap never written reads as zero, through a mapping too. */
#include "../suite.h"

TEST {
    int fd = empty_file();
    must_write(fd, "end", 3, 4 * page - 3);
    byte *p = must_map(4 * page, PROT_READ, MAP_SHARED, fd, 0);
    holds(all(p, 0, 4 * page - 3) && memcmp(p + 4 * page - 3, "end", 3) == 0);
}
