/* POSIX msync(), ERRORS [ENOMEM]: one or more pages of the range are not mapped. */
#include "../suite.h"

TEST {
    byte *p = shared(file(3 * page), 3 * page);
    must(munmap(p + page, page) == 0);
    fails(msync(p, 3 * page, MS_SYNC), ENOMEM);
}
