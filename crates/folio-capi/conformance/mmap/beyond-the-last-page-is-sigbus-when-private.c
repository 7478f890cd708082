/* POSIX mmap(), DESCRIPTION: references to whole pages after the end of an object deliver SIGBUS. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_PRIVATE, file(page), 0);
    attempt(peek(p + page));
    holds(caught.signal == SIGBUS);
}
