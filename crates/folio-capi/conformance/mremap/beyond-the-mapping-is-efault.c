/* mremap(2), ERRORS EFAULT: some address in the old range is invalid for the process. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    must(munmap(p + page, page) == 0);
    fails(mremap(p, 2 * page, 4 * page, MREMAP_MAYMOVE), EFAULT);
}
