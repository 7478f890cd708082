/* mremap(2), MREMAP_FIXED: new_address is where the mapping must be moved. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page), *to = room(3 * page) + page;
    memset(p, 0xaa, page);
    holds(mremap(p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to && all(to, 0xaa, page));
}
