/* madvise(2), MADV_DONTFORK: it is the child that does without. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    memset(p, 0xaa, page);
    must(madvise(p, page, MADV_DONTFORK) == 0);
    child();
    holds(all(p, 0xaa, page));
}
