/* POSIX mmap(), DESCRIPTION: references to whole pages after the end of an object deliver SIGBUS. */
#include "../suite.h"

TEST {
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, file(page + 1), 0);
    attempt(peek(p + 2 * page));
    holds(caught.signal == SIGBUS);
}
