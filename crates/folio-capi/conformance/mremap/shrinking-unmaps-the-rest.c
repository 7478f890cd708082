/* mremap(2), DESCRIPTION: it shrinks the mapping; what is beyond is mapped no more. */
#include "../suite.h"

TEST {
    byte *p = anonymous(4 * page);
    must(mremap(p, 4 * page, page, 0) != MAP_FAILED);
    holds(is_mapped(p) && !is_mapped(p + page) && !is_mapped(p + 3 * page));
}
