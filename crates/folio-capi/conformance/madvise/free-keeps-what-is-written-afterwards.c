/* madvise(2), MADV_FREE: a write after the call cancels the freeing for that page. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    memset(p, 0xaa, page);
    must(madvise(p, page, MADV_FREE) == 0);
    poke(p, 0xee);
    holds(peek(p) == 0xee);
}
