/* mremap(2), ERRORS EAGAIN: a locked block cannot grow beyond RLIMIT_MEMLOCK. */
#include "../suite.h"

TEST {
    be_ordinary();
    limit(RLIMIT_MEMLOCK, 4 * page);
    byte *p = anonymous(2 * page);
    must(mlock(p, 2 * page) == 0);
    fails(mremap(p, 2 * page, 16 * page, MREMAP_MAYMOVE), EAGAIN);
}
