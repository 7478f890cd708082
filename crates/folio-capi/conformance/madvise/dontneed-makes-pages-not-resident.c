/* madvise(2), MADV_DONTNEED: the kernel can free the resources of the range; here it does at once. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    poke(p, 1);
    must(madvise(p, page, MADV_DONTNEED) == 0);
    holds(!is_resident(p));
}
