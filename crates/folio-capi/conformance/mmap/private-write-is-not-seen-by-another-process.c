/* POSIX mmap(), DESCRIPTION, MAP_PRIVATE: modifications are visible only to the calling process. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    poke(p, 0xee);
    child(holds(shows(must_map(page, PROT_READ, MAP_SHARED, fd, 0), 0, page)));
}
