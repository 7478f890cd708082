/* madvise(2), DESCRIPTION: advice for the range, rounded up to pages. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    memset(p, 0xaa, 3 * page);
    must(madvise(p + page, page, MADV_DONTNEED) == 0);
    holds(all(p, 0xaa, page) && all(p + page, 0, page) && all(p + 2 * page, 0xaa, page));
}
