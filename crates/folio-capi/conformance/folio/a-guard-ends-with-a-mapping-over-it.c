/* folio.h: MAP_FIXED ends the guard of what it replaces. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    must(mmap(p, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED, file(page), 0) == p);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
