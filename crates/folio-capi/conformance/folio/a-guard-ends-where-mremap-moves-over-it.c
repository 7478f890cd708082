/* folio.h: MREMAP_FIXED ends the guard of what it replaces. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    byte *to = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(to, 2 * page, FOLIO_ZEROS) == 0);
    must(mremap(p, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    int signal;
    killer(signal, peek(to + page));
    holds(signal == SIGBUS);
}
