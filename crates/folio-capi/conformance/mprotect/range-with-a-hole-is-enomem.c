/* POSIX mprotect(), ERRORS [ENOMEM]: one or more pages of the range are not mapped. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    must(munmap(p + page, page) == 0);
    fails(mprotect(p, 3 * page, PROT_READ), ENOMEM);
}
