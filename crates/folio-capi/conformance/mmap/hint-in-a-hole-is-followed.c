/* mmap(2), DESCRIPTION: an address is a hint; the kernel attempts to create the mapping there. */
#include "../suite.h"

TEST {
    byte *at = hole(3 * page) + page;
    holds(mmap(at, page, PROT_READ, MAP_SHARED, file(page), 0) == at);
}
