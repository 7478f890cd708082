/* mincore(2), DESCRIPTION: vec holds (length + PAGE_SIZE - 1) / PAGE_SIZE bytes. */
#include "../suite.h"

TEST {
    byte vec[4] = {0x5a, 0x5a, 0x5a, 0x5a};
    byte *p = anonymous(3 * page);
    must(mincore(p, 2 * page, vec) == 0);
    holds(vec[0] != 0x5a && vec[1] != 0x5a && vec[2] == 0x5a && vec[3] == 0x5a);
}
