/* POSIX mmap(), DESCRIPTION: `len` is a size_t, and all of the range is mapped. */
#include "../suite.h"

TEST {
    size_t length = ((size_t)5 << 30) + page;
    byte *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    needs(p != MAP_FAILED, "5 GiB of address space");
    attempt(poke(p + length - 1, 1));
    holds(caught.signal == 0);
}
