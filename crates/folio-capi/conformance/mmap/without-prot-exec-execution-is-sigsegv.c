/* mmap(2), PROT_EXEC: pages may be executed with it, and on a processor that can tell, only with it. */
#include "../suite.h"

TEST {
#ifdef __x86_64__
    void *p = anonymous(page);
    memset(p, 0xc3, page); /* ret */
    void (*run)(void);
    memcpy(&run, &p, sizeof run);
    attempt(run());
    holds(caught.signal == SIGSEGV && caught.address == p);
#else
    needs(0, "machine code for this processor");
#endif
}
