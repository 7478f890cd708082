/* folio.h: a mapping that is not made replaces nothing, and ends no guard. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    must(mmap(p, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED, 987654, 0) == MAP_FAILED);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == 0);
}
