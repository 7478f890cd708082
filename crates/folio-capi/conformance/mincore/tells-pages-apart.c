/* mincore(2), DESCRIPTION: one byte a page, in their order. */
#include "../suite.h"

TEST {
    byte *p = anonymous(5 * page), vec[5];
    madvise(p, 5 * page, MADV_NOHUGEPAGE);
    poke(p + page, 1);
    poke(p + 4 * page, 1);
    must(mincore(p, 5 * page, vec) == 0);
    holds((vec[0] & 1) == 0 && (vec[1] & 1) == 1 && (vec[2] & 1) == 0 && (vec[3] & 1) == 0 && (vec[4] & 1) == 1);
}
