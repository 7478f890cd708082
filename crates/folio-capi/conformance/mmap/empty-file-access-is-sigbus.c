/* POSIX mmap(), DESCRIPTION: every page is after the end of an object without length. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, empty_file(), 0);
    attempt(peek(p));
    holds(caught.signal == SIGBUS);
}
