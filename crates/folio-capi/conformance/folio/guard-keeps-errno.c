/* folio.h: a call that succeeds leaves errno as it was. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    keeps_errno(folio_guard(p, page, FOLIO_ZEROS));
}
