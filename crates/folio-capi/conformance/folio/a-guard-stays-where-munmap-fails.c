/* folio.h: a munmap that fails unmaps nothing, and ends no guard. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0 && munmap(p + 1, page) == -1);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == 0);
}
