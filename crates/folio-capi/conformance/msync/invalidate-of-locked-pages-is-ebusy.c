/* POSIX msync(), ERRORS [EBUSY]: pages of the range are locked, and MS_INVALIDATE is specified. */
#include "../suite.h"

TEST {
    needs_lockable(page);
    byte *p = shared(file(page), page);
    must(mlock(p, page) == 0);
    fails(msync(p, page, MS_SYNC | MS_INVALIDATE), EBUSY);
}
