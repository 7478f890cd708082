/* POSIX mmap(), DESCRIPTION: references beyond the object's end deliver SIGBUS, to whoever mapped it. */
#include "../suite.h"

TEST {
    byte *p = (byte *)syscall(SYS_mmap, NULL, 2 * page, PROT_READ, MAP_SHARED, file(page), 0L);
    must(p != MAP_FAILED);
    attempt(peek(p + page));
    holds(caught.signal == SIGBUS);
}
