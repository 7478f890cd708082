/* syscall(2), MAP_FIXED: the library may replace what was mapped past it. */
#include "../suite.h"

TEST {
    byte *p = (byte *)syscall(SYS_mmap, NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
    must(p != MAP_FAILED);
    holds(mmap(p, page, PROT_READ, MAP_SHARED | MAP_FIXED, file(page), 0) == p && shows(p, 0, page));
}
