/* POSIX mmap(), DESCRIPTION: without MAP_FIXED the address chosen shall not replace an extant mapping. */
#include "../suite.h"

TEST {
    byte *a = anonymous(2 * page);
    memset(a, 0xaa, 2 * page);
    memset(anonymous(2 * page), 0xbb, 2 * page);
    holds(all(a, 0xaa, 2 * page));
}
