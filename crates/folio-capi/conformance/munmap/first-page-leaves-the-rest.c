/* POSIX munmap(), DESCRIPTION: it removes mappings in the range, and in the range alone. */
#include "../suite.h"

TEST {
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, file(3 * page), 0);
    must(munmap(p, page) == 0);
    holds(!is_mapped(p) && shows(p + page, page, 2 * page));
}
