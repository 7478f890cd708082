/* mmap(2), MAP_32BIT: the mapping is put into the first 2 gigabytes. */
#include "../suite.h"

TEST {
#ifdef MAP_32BIT
    byte *p = must_map(page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    holds((uintptr_t)p + page <= (uintptr_t)1 << 31);
#else
    needs(0, "MAP_32BIT: x86-64 only");
#endif
}
