/* mremap(2), ERRORS EFAULT: the range is covered, but by mappings of different types. */
#include "../suite.h"

TEST {
    byte *at = anonymous(2 * page);
    must(mmap(at + page, page, PROT_READ, MAP_SHARED | MAP_FIXED, file(page), 0) == at + page);
    fails(mremap(at, 2 * page, 4 * page, MREMAP_MAYMOVE), EFAULT);
}
