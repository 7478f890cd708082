/* mmap(2), MAP_FIXED: the overlapped part of existing mappings is discarded, and nothing else. */
#include "../suite.h"

TEST {
    byte *at = anonymous(3 * page);
    memset(at, 0xaa, 3 * page);
    must(mmap(at + page, page, PROT_READ, MAP_SHARED | MAP_FIXED, file(page), 0) == at + page);
    holds(all(at, 0xaa, page) && all(at + 2 * page, 0xaa, page));
}
