/* POSIX mmap(), DESCRIPTION: with MAP_FIXED any previous mappings in the range are replaced. */
#include "../suite.h"

TEST {
    byte *at = anonymous(page);
    memset(at, 0xaa, page);
    must(mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED, file(page), 0) == at);
    holds(shows(at, 0, page));
}
