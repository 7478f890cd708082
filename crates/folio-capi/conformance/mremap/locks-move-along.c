/* mremap(2), DESCRIPTION: the lock of a locked block is maintained when it is resized or relocated. */
#include "../suite.h"

TEST {
    needs_lockable(4 * page);
    byte *p = anonymous(page), *to = room(3 * page);
    long before = locked_bytes();
    must(mlock(p, page) == 0);
    must(mremap(p, page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    holds(locked_bytes() == before + 3 * (long)page);
}
