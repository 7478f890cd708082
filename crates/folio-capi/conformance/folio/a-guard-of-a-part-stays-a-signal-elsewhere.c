/* folio.h, folio_guard: the pages of the range, and no others of the same mapping. */
#include "../suite.h"

TEST {
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    int signal;
    killer(signal, peek(p + 2 * page));
    holds(signal == SIGBUS);
}
