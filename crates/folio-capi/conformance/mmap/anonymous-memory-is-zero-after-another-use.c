/* mmap(2), MAP_ANONYMOUS: zero, also where other contents were before. */
#include "../suite.h"

TEST {
    byte *at = anonymous(4 * page);
    memset(at, 0xaa, 4 * page);
    must(mmap(at, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
    holds(all(at, 0, 4 * page));
}
