/* mprotect(2): of no bytes no page contains a part; Linux returns 0. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    must(mprotect(p, 0, PROT_NONE) == 0);
    attempt(poke(p, 1));
    holds(caught.signal == 0);
}
