/* mremap(2), DESCRIPTION: it is the same mapping, of the same file, elsewhere. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = shared(fd, page);
    byte *q = mremap(p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, room(page));
    must(q != MAP_FAILED);
    poke(q, 0xee);
    holds(byte_in_file(fd, 0) == 0xee);
}
