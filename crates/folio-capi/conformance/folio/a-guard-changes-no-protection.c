/* folio.h, folio_guard: SIGBUS only; what is not permitted is SIGSEGV still. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, page, FOLIO_ZEROS) == 0);
    int signal;
    killer(signal, poke(p, 1));
    holds(signal == SIGSEGV);
}
