/* mmap(2), MAP_FIXED_NOREPLACE: never clobbers a range that is mapped already. */
#include "../suite.h"

TEST {
    byte *at = anonymous(page);
    memset(at, 0xaa, page);
    mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file(page), 0);
    holds(all(at, 0xaa, page));
}
