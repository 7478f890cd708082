/* mremap(2), DESCRIPTION: the bytes before the new end stay. */
#include "../suite.h"

TEST {
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, file(3 * page), 0);
    holds(mremap(p, 3 * page, 2 * page, 0) == p && shows(p, 0, 2 * page));
}
