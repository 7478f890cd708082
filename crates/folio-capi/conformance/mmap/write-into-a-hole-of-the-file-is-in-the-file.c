/* POSIX mmap(), DESCRIPTION, MAP_SHARED: write references change the object, in a gap never written too. */
#include "../suite.h"

TEST {
    int fd = empty_file();
    must(ftruncate(fd, 4 * page) == 0);
    poke(shared(fd, 4 * page) + 2 * page, 0xee);
    holds(byte_in_file(fd, 2 * page) == 0xee);
}
