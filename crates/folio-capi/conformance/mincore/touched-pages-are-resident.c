/* mincore(2), DESCRIPTION: the least significant bit is set for a resident page. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page), vec[2] = {0, 0};
    memset(p, 1, 2 * page);
    must(mincore(p, 2 * page, vec) == 0);
    holds(vec[0] & 1 && vec[1] & 1);
}
