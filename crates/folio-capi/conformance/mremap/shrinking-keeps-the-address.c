/* mremap(2), DESCRIPTION: a block that shrinks stays where it is. */
#include "../suite.h"

TEST {
    byte *p = anonymous(4 * page);
    holds(mremap(p, 4 * page, page, 0) == p);
}
