/* folio.h, folio_guard: what is written to the zeros reaches no file. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = shared(fd, 2 * page);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    poke(p + page, 0xee);
    must(ftruncate(fd, 2 * page) == 0);
    holds(peek(p + page) == 0xee && byte_in_file(fd, page) == 0);
}
