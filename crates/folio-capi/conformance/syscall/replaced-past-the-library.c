/* syscall(2), MAP_FIXED: what the library mapped may be replaced past it, and then shows the new file. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    must((byte *)syscall(SYS_mmap, p, page, PROT_READ, MAP_SHARED | MAP_FIXED, file(page), 0L) == p);
    must(mprotect(p, page, PROT_READ) == 0);
    holds(shows(p, 0, page));
}
