/* POSIX mmap(), DESCRIPTION: mappings may have been unmapped when it fails, but not with [EBADF]. */
#include "../suite.h"

TEST {
    byte *at = anonymous(page);
    memset(at, 0xaa, page);
    must(mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED, 987654, 0) == MAP_FAILED && errno == EBADF);
    holds(all(at, 0xaa, page));
}
