/* mmap(2), munmap(): closing the file descriptor does not unmap the region. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, 0);
    must(close(fd) == 0);
    holds(is_mapped(p));
}
