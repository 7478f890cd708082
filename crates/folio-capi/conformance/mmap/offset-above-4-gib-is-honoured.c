/* POSIX mmap(), DESCRIPTION: `off` is an off_t, and counts beyond 32 bits. */
#include "../suite.h"

TEST {
    int fd = empty_file();
    off_t far = ((off_t)5 << 30) + (off_t)page;
    must_write(fd, "low", 3, (off_t)page + ((off_t)1 << 30));
    must_write(fd, "far", 3, far);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, far);
    holds(memcmp(p, "far", 3) == 0);
}
