/* POSIX mlockall(), DESCRIPTION, MCL_FUTURE: pages that become mapped are locked when they do. */
#include "../suite.h"

TEST {
    needs_lockable((size_t)1 << 30);
    must(mlockall(MCL_FUTURE) == 0);
    byte *p = anonymous(64 * page);
    holds(is_resident(p) && is_resident(p + 63 * page));
}
