/* POSIX mmap(), DESCRIPTION: the system performs mapping operations over whole pages, so the rest of
 * the last page belongs to the mapping. */
#include "../suite.h"

TEST {
    byte *p = must_map(page + 1, PROT_READ, MAP_SHARED, file(2 * page), 0);
    holds(shows(p, 0, 2 * page));
}
