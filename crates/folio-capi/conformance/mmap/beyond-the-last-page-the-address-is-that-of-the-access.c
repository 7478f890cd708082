/* POSIX <signal.h>, siginfo_t: for SIGBUS si_addr is the address of the faulting reference. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    attempt(peek(p + page + 123));
    holds(caught.address == p + page + 123);
}
