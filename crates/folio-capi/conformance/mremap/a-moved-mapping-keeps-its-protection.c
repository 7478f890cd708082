/* mremap(2), NOTES: each segment has its own protection; moving does not change it. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    byte *q = mremap(p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, room(page));
    must(q != MAP_FAILED);
    attempt(poke(q, 1));
    holds(caught.signal == SIGSEGV);
}
