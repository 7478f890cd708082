/* madvise(2), ERRORS ENOMEM: some addresses of the range are not mapped. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    must(munmap(p + page, page) == 0);
    fails(madvise(p, 3 * page, MADV_DONTNEED), ENOMEM);
}
