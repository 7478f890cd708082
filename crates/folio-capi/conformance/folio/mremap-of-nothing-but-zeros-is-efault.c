/* folio.h, folio_mremap: EFAULT where zeros stand in, which must not grow into a mapping of their own. */
#include "../suite.h"

TEST {
    byte *p = shared(empty_file(), page);
    must(folio_guard(p, page, FOLIO_ZEROS) == 0 && peek(p) == 0);
    fails(mremap(p, page, 2 * page, MREMAP_MAYMOVE), EFAULT);
}
