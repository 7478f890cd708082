/* folio.h: lengths mean whole pages; munmap ends the guard of its last, partial one. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0 && munmap(p, page + 1) == 0);
    must((byte *)syscall(SYS_mmap, p, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file(page), 0L) == p);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
