/* mlock(2), ERRORS EINVAL: addr + len was less than addr. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    fails(munlock(p, SIZE_MAX - 2 * page), EINVAL);
}
