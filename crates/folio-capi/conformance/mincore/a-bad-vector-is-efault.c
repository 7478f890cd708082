/* mincore(2), ERRORS EFAULT: vec points to an invalid address. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    fails(mincore(p, page, hole(page)), EFAULT);
}
