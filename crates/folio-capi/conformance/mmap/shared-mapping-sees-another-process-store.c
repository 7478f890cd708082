/* mmap(2), MAP_SHARED: updates of others are visible here, to pages touched before as well. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, 0);
    must(shows(p, 0, page));
    child(poke(shared(fd, page), 0xee));
    holds(peek(p) == 0xee);
}
