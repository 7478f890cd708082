/* folio.h: a guard of the whole block is one of the block as it is then, grown. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, page, FOLIO_ZEROS) == 0);
    byte *q = mremap(p, page, 2 * page, MREMAP_MAYMOVE);
    must(q != MAP_FAILED);
    int signal;
    killer(signal, peek(q + page));
    holds(signal == 0);
}
