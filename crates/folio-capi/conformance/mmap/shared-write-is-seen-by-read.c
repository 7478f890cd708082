/* POSIX mmap(), DESCRIPTION, MAP_SHARED: write references change the underlying object. */
#include "../suite.h"

TEST {
    int fd = file(page);
    poke(shared(fd, page) + 77, 0xee);
    holds(byte_in_file(fd, 77) == 0xee);
}
