/* POSIX mmap(), DESCRIPTION: mappings may have been unmapped when it fails, but not with [EINVAL]. */
#include "../suite.h"

TEST {
    byte *at = anonymous(page);
    memset(at, 0xaa, page);
    must(mmap(at, page, PROT_READ, MAP_FIXED, file(page), 0) == MAP_FAILED && errno == EINVAL);
    holds(all(at, 0xaa, page));
}
