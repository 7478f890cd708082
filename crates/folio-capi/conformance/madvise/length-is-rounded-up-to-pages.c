/* madvise(2), DESCRIPTION: the length is rounded up to a multiple of the page size. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    memset(p, 0xaa, 2 * page);
    must(madvise(p, page + 1, MADV_DONTNEED) == 0);
    holds(all(p + page, 0, page));
}
