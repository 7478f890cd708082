/* mmap(2), MAP_FIXED_NOREPLACE: like MAP_FIXED with respect to the address. */
#include "../suite.h"

TEST {
    byte *at = hole(3 * page) + page;
    holds(mmap(at, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at);
}
