/* mmap(2), MAP_ANONYMOUS: contents are initialized to zero. */
#include "../suite.h"

TEST {
    holds(all(anonymous(8 * page), 0, 8 * page));
}
