/* POSIX mmap(), DESCRIPTION: without MAP_FIXED the address chosen shall not replace an extant mapping. */
#include "../suite.h"

TEST {
    byte *at = anonymous(page);
    memset(at, 0xaa, page);
    byte *p = mmap(at, page, PROT_READ, MAP_SHARED, file(page), 0);
    holds(p != MAP_FAILED && p != at && all(at, 0xaa, page));
}
