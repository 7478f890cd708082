/* madvise(2), MADV_WIPEONFORK: the child sees zeros in the range. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    memset(p, 0xaa, page);
    must(madvise(p, page, MADV_WIPEONFORK) == 0);
    child(attempt(holds(all(p, 0, page))); holds(caught.signal == 0));
}
