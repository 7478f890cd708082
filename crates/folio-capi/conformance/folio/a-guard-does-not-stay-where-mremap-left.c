/* folio.h: at the old addresses there is no guard any more. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0), *to = room(2 * page);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0);
    must(mremap(p, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    must((byte *)syscall(SYS_mmap, p, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file(page), 0L) == p);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
