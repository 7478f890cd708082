/* POSIX mmap(), DESCRIPTION: no extant mapping is replaced without MAP_FIXED, whoever made it. */
#include "../suite.h"

TEST {
    byte *a = anonymous(page);
    byte *b = (byte *)syscall(SYS_mmap, NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
    byte *c = anonymous(page);
    must(b != MAP_FAILED);
    memset(a, 1, page);
    memset(b, 2, page);
    memset(c, 3, page);
    holds(all(a, 1, page) && all(b, 2, page) && all(c, 3, page));
}
