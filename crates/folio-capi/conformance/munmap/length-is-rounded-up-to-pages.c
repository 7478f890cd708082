/* mmap(2), munmap(): all pages containing a part of the range are unmapped; length need not be a multiple. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    must(munmap(p, page + 1) == 0);
    holds(!is_mapped(p + page));
}
