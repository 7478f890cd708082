/* madvise(2), MADV_POPULATE_WRITE: prefaults all pages of the range writable. */
#include "../suite.h"

TEST {
    byte *p = anonymous(4 * page);
    madvise(p, 4 * page, MADV_NOHUGEPAGE);
    int result = madvise(p, 4 * page, MADV_POPULATE_WRITE);
    needs(result == 0 || errno != EINVAL, "MADV_POPULATE_WRITE (Linux 5.14)");
    holds(result == 0 && is_resident(p) && is_resident(p + 3 * page));
}
