/* folio.h: a guard of the whole block goes along to its new addresses. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0), *to = room(2 * page);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    must(mremap(p, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    int signal;
    killer(signal, peek(to + page));
    holds(signal == 0);
}
