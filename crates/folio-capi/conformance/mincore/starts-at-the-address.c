/* mincore(2), DESCRIPTION: the pages from addr on. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page), vec[1] = {0};
    madvise(p, 3 * page, MADV_NOHUGEPAGE);
    poke(p + 2 * page, 1);
    must(mincore(p + 2 * page, page, vec) == 0);
    holds(vec[0] & 1);
}
