/* POSIX mmap(), DESCRIPTION: PROT_NONE: data cannot be accessed; the signal is SIGSEGV. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_NONE, MAP_SHARED, file(page), 0);
    attempt(peek(p));
    holds(caught.signal == SIGSEGV);
}
