/* mremap(2), MREMAP_FIXED: any previous mapping at the new range is unmapped. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page), *to = anonymous(2 * page);
    memset(p, 0xaa, page);
    memset(to, 0xbb, 2 * page);
    must(mremap(p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    holds(all(to, 0xaa, page) && all(to + page, 0xbb, page));
}
