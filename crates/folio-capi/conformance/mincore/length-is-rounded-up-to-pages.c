/* mincore(2), DESCRIPTION: vec holds (length + PAGE_SIZE - 1) / PAGE_SIZE bytes. */
#include "../suite.h"

TEST {
    byte vec[2] = {0, 0}, *p = anonymous(2 * page);
    memset(p, 1, 2 * page);
    must(mincore(p, page + 1, vec) == 0);
    holds(vec[1] & 1);
}
