/* mremap(2), DESCRIPTION: it expands an existing mapping; its bytes are there, and new ones are zero. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    memset(p, 0xaa, page);
    byte *q = mremap(p, page, 3 * page, MREMAP_MAYMOVE);
    holds(q != MAP_FAILED && all(q, 0xaa, page) && all(q + page, 0, 2 * page));
}
