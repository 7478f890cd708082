/* mprotect(2), ERRORS EINVAL: invalid flags in prot. */
#include "../suite.h"

TEST {
    fails(mprotect(anonymous(page), page, 0x800), EINVAL);
}
