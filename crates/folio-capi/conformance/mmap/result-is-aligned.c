/* mmap(2), DESCRIPTION: with addr NULL the kernel chooses a page-aligned address. */
#include "../suite.h"

TEST {
    holds((uintptr_t)must_map(1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) % page == 0);
}
