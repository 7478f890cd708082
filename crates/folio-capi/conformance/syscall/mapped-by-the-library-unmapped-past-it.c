/* syscall(2): the library must not count on hearing of every unmapping. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    must(syscall(SYS_munmap, p, page) == 0);
    attempt(peek(p));
    holds(caught.signal == SIGSEGV && caught.code == SEGV_MAPERR);
}
