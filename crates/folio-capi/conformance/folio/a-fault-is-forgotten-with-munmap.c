/* folio.h, folio_check: the answer stays until the mapping ends. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    peek(p + page);
    must(folio_check(p, 2 * page, NULL) == 1 && munmap(p, 2 * page) == 0);
    holds(folio_check(p, 2 * page, NULL) == 0);
}
