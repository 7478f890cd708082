/* madvise(2), MADV_KEEPONFORK: the effect of an earlier MADV_WIPEONFORK is undone. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    memset(p, 0xaa, page);
    must(madvise(p, page, MADV_WIPEONFORK) == 0 && madvise(p, page, MADV_KEEPONFORK) == 0);
    child(holds(all(p, 0xaa, page)));
}
