/* POSIX mprotect(), DESCRIPTION: it changes access protections, nothing else. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    memset(p, 0xaa, 2 * page);
    must(mprotect(p, 2 * page, PROT_NONE) == 0 && mprotect(p, 2 * page, PROT_READ) == 0);
    holds(all(p, 0xaa, 2 * page));
}
