/* folio.h: folio's handler interrupts whatever the program is doing, and leaves errno as it was. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    errno = 4242;
    peek(p + page);
    holds(errno == 4242);
}
