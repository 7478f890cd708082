/* POSIX mmap(), DESCRIPTION: the mapping shows the file from offset `off` on, whatever its sharing. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_PRIVATE, file(3 * page), 2 * page);
    holds(shows(p, 2 * page, page));
}
