/* mmap(2), MAP_GROWSDOWN: touching the page below makes the mapping grow by it. */
#include "../suite.h"

TEST {
    size_t gap = 2048 * page;
    byte *at = hole(gap + 2 * page) + gap;
    must(mmap(at, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0) == at);
    poke(at, 1);
    attempt(poke(at - page, 1));
    holds(caught.signal == 0);
}
