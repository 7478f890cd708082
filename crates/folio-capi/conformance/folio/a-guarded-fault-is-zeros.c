/* folio.h, folio_guard: a page of zeros takes the place of the lost one. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    holds(all(p + page, 0, page) && shows(p, 0, page));
}
