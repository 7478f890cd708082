/* madvise(2), MADV_DONTFORK: the pages are not available to a child after a fork. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    must(madvise(p, page, MADV_DONTFORK) == 0);
    child(holds(!is_mapped(p)));
}
