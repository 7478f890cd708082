/* madvise(2), MADV_WIPEONFORK: the child's memory is zero, not the parent's. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    memset(p, 0xaa, page);
    must(madvise(p, page, MADV_WIPEONFORK) == 0);
    child();
    holds(all(p, 0xaa, page));
}
