/* folio.h, folio_guard_all: all file mappings, those yet to come included. */
#include "../suite.h"

TEST {
    must(folio_guard_all(FOLIO_ZEROS) == 0);
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    holds(all(p + page, 0, page));
}
