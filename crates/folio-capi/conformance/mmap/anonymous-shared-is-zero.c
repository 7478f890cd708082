/* mmap(2), MAP_ANONYMOUS: contents are initialized to zero, with MAP_SHARED as well. */
#include "../suite.h"

TEST {
    byte *p = must_map(8 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    holds(all(p, 0, 8 * page));
}
