/* mremap(2), DESCRIPTION: without MREMAP_MAYMOVE a mapping grows where it is, if there is room. */
#include "../suite.h"

TEST {
    byte *at = hole(4 * page);
    must(mmap(at, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at);
    holds(mremap(at, page, 4 * page, 0) == at && is_mapped(at + 3 * page));
}
