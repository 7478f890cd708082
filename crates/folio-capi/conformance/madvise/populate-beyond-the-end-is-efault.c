/* madvise(2), ERRORS EFAULT: populating failed because a SIGBUS would have been raised on access. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    fails(madvise(p, 2 * page, MADV_POPULATE_READ), EFAULT);
}
