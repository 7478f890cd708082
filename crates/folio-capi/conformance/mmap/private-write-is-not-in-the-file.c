/* POSIX mmap(), DESCRIPTION, MAP_PRIVATE: modifications shall not change the underlying object. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    memset(p, 0xee, page);
    holds(byte_in_file(fd, 0) == pattern(0) && byte_in_file(fd, page - 1) == pattern(page - 1));
}
