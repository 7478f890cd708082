/* mremap(2), DESCRIPTION: nothing to expand and nothing to shrink. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(2 * page), 0);
    holds(mremap(p, 2 * page, 2 * page, MREMAP_MAYMOVE) == p && shows(p, 0, 2 * page));
}
