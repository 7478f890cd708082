/* POSIX mmap() MAP_SHARED and munmap(): unmapping does not lose what was written. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = shared(fd, page);
    poke(p, 0xee);
    must(munmap(p, page) == 0);
    holds(byte_in_file(fd, 0) == 0xee);
}
