/* mremap(2), ERRORS: a call that fails has changed nothing. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    memset(p, 0xaa, 2 * page);
    must(mremap(p, page, 2 * page, 0) == MAP_FAILED);
    holds(all(p, 0xaa, 2 * page));
}
