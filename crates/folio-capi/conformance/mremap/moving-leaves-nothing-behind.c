/* mremap(2), MREMAP_MAYMOVE: pointers into the old location become invalid. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    byte *q = mremap(p, 2 * page, 4 * page, MREMAP_MAYMOVE);
    must(q != MAP_FAILED && q != p);
    holds(!is_mapped(p) && !is_mapped(p + page));
}
