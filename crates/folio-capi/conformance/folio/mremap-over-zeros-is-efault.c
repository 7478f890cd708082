/* folio.h, folio_mremap: EFAULT where zeros stand in, unless it only cuts. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), 2 * page);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    peek(p + page);
    fails(mremap(p, 2 * page, 4 * page, MREMAP_MAYMOVE), EFAULT);
}
