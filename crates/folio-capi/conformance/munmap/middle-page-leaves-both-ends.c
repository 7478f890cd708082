/* POSIX munmap(), DESCRIPTION: it removes mappings in the range, and in the range alone. */
#include "../suite.h"

TEST {
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, file(3 * page), 0);
    must(munmap(p + page, page) == 0);
    holds(!is_mapped(p + page) && shows(p, 0, page) && shows(p + 2 * page, 2 * page, page));
}
