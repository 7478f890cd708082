/* mremap(2), DESCRIPTION: it is the same mapping elsewhere; what was modified moves with it. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    poke(p, 0xee);
    byte *q = mremap(p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, room(page));
    must(q != MAP_FAILED);
    poke(q + 1, 0xdd);
    holds(peek(q) == 0xee && byte_in_file(fd, 0) == pattern(0) && byte_in_file(fd, 1) == pattern(1));
}
