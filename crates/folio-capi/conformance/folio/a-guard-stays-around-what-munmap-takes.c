/* folio.h: munmap of a part ends the guard of that part. */
#include "../suite.h"

TEST {
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 3 * page, FOLIO_ZEROS) == 0 && munmap(p + page, page) == 0);
    int signal;
    killer(signal, peek(p + 2 * page));
    holds(signal == 0);
}
