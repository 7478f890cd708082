/* folio.h: a block that shrinks gives the guard of its end up. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0 && mremap(p, 2 * page, page, 0) == p);
    must((byte *)syscall(SYS_mmap, p + page, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, empty_file(), 0L) == p + page);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
