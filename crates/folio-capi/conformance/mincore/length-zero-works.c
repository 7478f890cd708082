/* mincore(2): of no bytes nothing is written; Linux returns 0. */
#include "../suite.h"

TEST {
    byte vec[1] = {0x5a};
    must(mincore(anonymous(page), 0, vec) == 0);
    holds(vec[0] == 0x5a);
}
