/* mremap(2): sizes are size_t, and count beyond 32 bits. */
#include "../suite.h"

TEST {
    size_t length = ((size_t)5 << 30) + page;
    byte *p = room(page);
    byte *q = mremap(p, page, length, MREMAP_MAYMOVE);
    needs(q != MAP_FAILED, "5 GiB of address space");
    holds(is_mapped(q + length - page));
}
