/* mremap(2), DESCRIPTION: with old_size zero a new mapping of the same shareable pages is made. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), page);
    byte *q = mremap(p, 0, page, MREMAP_MAYMOVE);
    must(q != MAP_FAILED && q != p);
    poke(q, 0xee);
    holds(peek(p) == 0xee);
}
