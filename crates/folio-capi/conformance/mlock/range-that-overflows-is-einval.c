/* mlock(2), ERRORS EINVAL: addr + len was less than addr. */
#include "../suite.h"

TEST {
    needs_lockable(SIZE_MAX); /* the limit is looked at first */
    byte *p = anonymous(page);
    fails(mlock(p, SIZE_MAX - 2 * page), EINVAL);
}
