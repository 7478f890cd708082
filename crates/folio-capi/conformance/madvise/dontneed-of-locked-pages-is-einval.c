/* madvise(2), ERRORS EINVAL: MADV_DONTNEED, and the range includes locked pages. */
#include "../suite.h"

TEST {
    needs_lockable(page);
    byte *p = anonymous(page);
    must(mlock(p, page) == 0);
    fails(madvise(p, page, MADV_DONTNEED), EINVAL);
}
