/* madvise(2), MADV_DONTNEED: for shared mappings the next access gives the object's current contents. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), page);
    poke(p, 0xee);
    must(madvise(p, page, MADV_DONTNEED) == 0);
    holds(peek(p) == 0xee);
}
