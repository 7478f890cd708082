/* folio.h, folio_guard, FOLIO_SIGNAL: undoes FOLIO_ZEROS. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0 && folio_guard(p, 2 * page, FOLIO_SIGNAL) == 0);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
