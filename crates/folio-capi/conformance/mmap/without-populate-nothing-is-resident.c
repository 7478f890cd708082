/* mmap(2), MAP_POPULATE: without it, pages come on first use; a fresh anonymous page is not there. */
#include "../suite.h"

TEST {
    byte *p = anonymous(4 * page);
    madvise(p, 4 * page, MADV_NOHUGEPAGE);
    holds(!is_resident(p) && !is_resident(p + 3 * page));
}
