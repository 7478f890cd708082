/* POSIX msync(), DESCRIPTION: MS_INVALIDATE may go with MS_SYNC. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), page);
    poke(p, 0xee);
    works(msync(p, page, MS_SYNC | MS_INVALIDATE));
}
