/* POSIX posix_madvise(), DESCRIPTION: the advice has no effect on the semantics of access. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    memset(p, 0xaa, page);
    must(posix_madvise(p, page, POSIX_MADV_DONTNEED) == 0);
    holds(all(p, 0xaa, page));
}
