/* folio.h, folio_msync: EIO where zeros stand in for pages of the range. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), 2 * page);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    poke(p + page, 0xee);
    fails(msync(p, 2 * page, MS_SYNC), EIO);
}
