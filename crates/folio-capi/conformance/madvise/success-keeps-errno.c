/* errno(3): on Linux a call that succeeds leaves errno alone. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    keeps_errno(madvise(p, page, MADV_DONTNEED));
}
