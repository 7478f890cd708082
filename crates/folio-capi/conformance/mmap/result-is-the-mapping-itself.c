/* POSIX mmap(), RETURN VALUE: the address at which the mapping was placed: its first byte, and all
 * of its pages from there on are mapped. */
#include "../suite.h"

TEST {
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, file(3 * page), 0);
    holds(is_mapped(p) && is_mapped(p + 2 * page) && shows(p, 0, 3 * page));
}
