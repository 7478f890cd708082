/* madvise(2), MADV_DOFORK: the pages are inherited again. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    memset(p, 0xaa, page);
    must(madvise(p, page, MADV_DONTFORK) == 0 && madvise(p, page, MADV_DOFORK) == 0);
    child(attempt(holds(all(p, 0xaa, page))); holds(caught.signal == 0));
}
