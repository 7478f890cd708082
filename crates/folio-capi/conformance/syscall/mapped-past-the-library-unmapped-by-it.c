/* syscall(2): a mapping is the kernel's, whoever asked for it; munmap() knows it. */
#include "../suite.h"

TEST {
    byte *p = (byte *)syscall(SYS_mmap, NULL, 2 * page, PROT_READ, MAP_SHARED, file(2 * page), 0L);
    must(p != MAP_FAILED);
    must(munmap(p, 2 * page) == 0);
    holds(!is_mapped(p) && !is_mapped(p + page));
}
