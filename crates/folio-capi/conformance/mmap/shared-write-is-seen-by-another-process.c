/* mmap(2), MAP_SHARED: updates are visible to other processes that map the same region. */
#include "../suite.h"

TEST {
    int fd = file(page);
    poke(shared(fd, page), 0xee);
    child(holds(peek(must_map(page, PROT_READ, MAP_SHARED, fd, 0)) == 0xee));
}
