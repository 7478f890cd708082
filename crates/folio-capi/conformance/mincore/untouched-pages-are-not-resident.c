/* mincore(2), DESCRIPTION: the bit is clear for a page that is not resident. */
#include "../suite.h"

TEST {
    byte *p = anonymous(4 * page), vec[4] = {1, 1, 1, 1};
    madvise(p, 4 * page, MADV_NOHUGEPAGE);
    must(mincore(p, 4 * page, vec) == 0);
    holds(!(vec[0] & 1) && !(vec[3] & 1));
}
