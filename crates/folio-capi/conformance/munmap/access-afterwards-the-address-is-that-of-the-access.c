/* POSIX <signal.h>, siginfo_t: for SIGSEGV si_addr is the address of the faulting reference. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    must(munmap(p, page) == 0);
    attempt(poke(p + 55, 1));
    holds(caught.address == p + 55);
}
