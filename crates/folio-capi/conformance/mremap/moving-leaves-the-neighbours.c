/* mremap(2), DESCRIPTION: the block from old_address of old_size, and no other. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    memset(p, 0xaa, 3 * page);
    must(mremap(p + page, page, 4 * page, MREMAP_MAYMOVE) != MAP_FAILED);
    holds(all(p, 0xaa, page) && all(p + 2 * page, 0xaa, page));
}
