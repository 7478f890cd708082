/* POSIX mmap(), DESCRIPTION: references to whole pages after the end of an object deliver SIGBUS. */
#include "../suite.h"

TEST {
    byte *p = must_map(3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file(page + 1), 0);
    attempt(poke(p + 2 * page, 1));
    holds(caught.signal == SIGBUS);
}
