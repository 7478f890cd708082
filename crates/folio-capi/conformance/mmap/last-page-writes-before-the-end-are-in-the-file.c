/* POSIX mmap(), DESCRIPTION, MAP_SHARED: write references change the object, in its partial page too. */
#include "../suite.h"

TEST {
    int fd = file(page + 100);
    byte *p = shared(fd, page + 100);
    attempt(poke(p + page + 99, 0xee));
    holds(caught.signal == 0 && byte_in_file(fd, page + 99) == 0xee);
}
