/* errno(3): on Linux a call that succeeds leaves errno alone. */
#include "../suite.h"

TEST {
    byte vec[1], *p = anonymous(page);
    keeps_errno(mincore(p, page, vec));
}
