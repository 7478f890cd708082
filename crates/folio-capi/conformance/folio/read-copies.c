/* folio.h, folio_read: copies the bytes that are mapped. */
#include "../suite.h"

TEST {
    byte to[200];
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    holds(folio_read(to, p + 50, 200, NULL) == 200 && shows(to, 50, 200));
}
