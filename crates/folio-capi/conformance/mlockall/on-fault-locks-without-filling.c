/* mlock(2), MCL_ONFAULT with MCL_CURRENT: pages not present are not faulted in. */
#include "../suite.h"

TEST {
    needs_lockable((size_t)1 << 30);
    byte *p = anonymous(64 * page);
    madvise(p, 64 * page, MADV_NOHUGEPAGE);
    must(mlockall(MCL_CURRENT | 4) == 0);
    holds(!is_resident(p + 63 * page) && locked_bytes() >= 64 * (long)page);
}
