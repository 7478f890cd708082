/* mmap(2), MAP_POPULATE: the page tables are prefaulted. */
#include "../suite.h"

TEST {
    byte *p = must_map(4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    holds(is_resident(p) && is_resident(p + 3 * page));
}
