/* POSIX mmap(), DESCRIPTION: a mapping shows its object, whatever was mapped there before. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    memset(p, 0xaa, 2 * page);
    must(munmap(p, 2 * page) == 0);
    must(mmap(p, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file(2 * page), 0) == p);
    holds(shows(p, 0, 2 * page));
}
