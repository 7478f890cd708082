/* mremap(2), ERRORS ENOMEM: not enough virtual memory; getrlimit(2), RLIMIT_AS. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    limit(RLIMIT_AS, (size_t)256 << 20);
    fails(mremap(p, page, (size_t)512 << 20, MREMAP_MAYMOVE), ENOMEM);
}
