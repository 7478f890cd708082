/* POSIX mlock(), DESCRIPTION: after it the pages of the range are resident. */
#include "../suite.h"

TEST {
    needs_lockable(8 * page);
    byte *p = anonymous(8 * page);
    must(mlock(p, 8 * page) == 0);
    int there = 0;
    for (int i = 0; i < 8; i++) there += is_resident(p + i * page);
    holds(there == 8);
}
