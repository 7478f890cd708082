/* msync(2), ERRORS EINVAL: any bit other than the three is set. */
#include "../suite.h"

TEST {
    fails(msync(shared(file(page), page), page, MS_SYNC | 0x40), EINVAL);
}
