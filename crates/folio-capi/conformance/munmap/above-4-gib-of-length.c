/* POSIX munmap(): `len` is a size_t; the last page of a long range goes as well. */
#include "../suite.h"

TEST {
    size_t length = ((size_t)5 << 30) + page;
    byte *p = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    needs(p != MAP_FAILED, "5 GiB of address space");
    must(munmap(p, length) == 0);
    holds(!is_mapped(p + length - page));
}
