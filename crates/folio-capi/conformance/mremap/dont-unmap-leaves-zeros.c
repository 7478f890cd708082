/* mremap(2), MREMAP_DONTUNMAP: the old range stays mapped, and gives zero-filled pages. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    memset(p, 0xaa, 2 * page);
    must(mremap(p, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL) != MAP_FAILED);
    attempt(holds(all(p, 0, 2 * page)));
    holds(caught.signal == 0);
}
