/* POSIX <signal.h>, siginfo_t: for SIGSEGV si_addr is the address of the faulting reference. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    attempt(poke(p + 321, 1));
    holds(caught.address == p + 321);
}
