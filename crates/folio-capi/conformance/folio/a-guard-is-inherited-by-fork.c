/* folio.h, folio_guard: a forked child inherits guards. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    child(holds(all(p + page, 0, page) && folio_check(p, 2 * page, NULL) == 1));
}
