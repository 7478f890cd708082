/* mmap(2), DESCRIPTION: the kernel picks a nearby page boundary for a hint. */
#include "../suite.h"

TEST {
    byte *at = hole(3 * page) + page;
    byte *p = mmap(at + 100, page, PROT_READ, MAP_SHARED, file(page), 0);
    holds(p != MAP_FAILED && (uintptr_t)p % page == 0);
}
