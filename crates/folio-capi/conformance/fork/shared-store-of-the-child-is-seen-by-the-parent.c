/* POSIX mmap() MAP_SHARED and fork(): both refer to one object. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), page);
    child(poke(p, 0xee));
    holds(peek(p) == 0xee);
}
