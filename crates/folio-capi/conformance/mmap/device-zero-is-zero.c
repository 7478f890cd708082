/* POSIX mmap(), DESCRIPTION, and zero(4): a mapping of /dev/zero shows zeros and may be written. */
#include "../suite.h"

TEST {
    int fd = open("/dev/zero", O_RDWR);
    needs(fd != -1, "/dev/zero");
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    holds(all(p, 0, page));
}
