/* folio.h, folio_msync: EIO is about the range. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), 2 * page);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    poke(p + page, 0xee);
    works(msync(p, page, MS_SYNC));
}
