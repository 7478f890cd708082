/* POSIX msync(), DESCRIPTION: MS_ASYNC returns once the writes are scheduled. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), page);
    poke(p, 0xee);
    works(msync(p, page, MS_ASYNC));
}
