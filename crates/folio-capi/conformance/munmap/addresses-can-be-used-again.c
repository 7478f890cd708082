/* POSIX munmap(), DESCRIPTION: the range holds no mapping any more: even MAP_FIXED_NOREPLACE takes it. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    must(munmap(p, 2 * page) == 0);
    holds(mmap(p, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file(2 * page), 0) == p);
}
