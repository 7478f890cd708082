/* folio.h, folio_read: returns the bytes copied, exactly. */
#include "../suite.h"

TEST {
    struct folio_fault fault;
    byte to[200];
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    holds(folio_read(to, p + page - 77, 200, &fault) == 77 && shows(to, page - 77, 77) && fault.address == p + page);
}
