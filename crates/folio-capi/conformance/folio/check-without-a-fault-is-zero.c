/* folio.h, folio_check: 0: there was none. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0 && shows(p, 0, page));
    holds(folio_check(p, 2 * page, NULL) == 0);
}
