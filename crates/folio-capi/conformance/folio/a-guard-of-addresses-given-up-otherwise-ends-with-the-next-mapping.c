/* folio.h, and syscall(2): a guard that nobody could end does not reach what is mapped there later. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0 && syscall(SYS_munmap, p, 2 * page) == 0);
    must(mmap(p, 2 * page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file(page), 0) == p);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
