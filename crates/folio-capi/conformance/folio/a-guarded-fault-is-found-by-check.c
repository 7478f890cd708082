/* folio.h, folio_check: tells whether a fault was met, and where. */
#include "../suite.h"

TEST {
    struct folio_fault fault;
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 3 * page, FOLIO_ZEROS) == 0);
    peek(p + 2 * page);
    holds(folio_check(p, 3 * page, &fault) == 1 && fault.offset / page == 2);
}
