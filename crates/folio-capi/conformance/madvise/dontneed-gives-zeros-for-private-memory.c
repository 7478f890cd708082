/* madvise(2), MADV_DONTNEED: private anonymous memory is zero-filled on the next access. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    memset(p, 0xaa, 2 * page);
    must(madvise(p, 2 * page, MADV_DONTNEED) == 0);
    holds(all(p, 0, 2 * page));
}
