/* mincore(2), ERRORS ENOMEM: the range contained unmapped memory. */
#include "../suite.h"

TEST {
    byte vec[3], *p = anonymous(3 * page);
    must(munmap(p + page, page) == 0);
    fails(mincore(p, 3 * page, vec), ENOMEM);
}
