/* errno(3): on Linux a call that succeeds leaves errno alone. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), page);
    poke(p, 0xee);
    keeps_errno(msync(p, page, MS_SYNC));
}
