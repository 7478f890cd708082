/* folio.h, folio_guard_all: FOLIO_SIGNAL undoes it. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard_all(FOLIO_ZEROS) == 0 && folio_guard_all(FOLIO_SIGNAL) == 0);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
