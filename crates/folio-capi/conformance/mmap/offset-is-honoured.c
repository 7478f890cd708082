/* POSIX mmap(), DESCRIPTION: the mapping shows the file from offset `off` on. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(3 * page), page);
    holds(shows(p, page, page));
}
