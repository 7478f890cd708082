/* madvise(2), ERRORS ENOMEM, on Linux: the parts that are mapped have got the advice. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    memset(p, 0xaa, 3 * page);
    must(munmap(p + page, page) == 0 && madvise(p, 3 * page, MADV_DONTNEED) == -1);
    holds(all(p, 0, page) && all(p + 2 * page, 0, page));
}
