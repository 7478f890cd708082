/* POSIX mprotect(), DESCRIPTION: PROT_EXEC permits execution. */
#include "../suite.h"

TEST {
#ifdef __x86_64__
    void *p = anonymous(page);
    int (*run)(void);
    memcpy(p, "\xb8\x2a\x00\x00\x00\xc3", 6); /* mov eax, 42; ret */
    must(mprotect(p, page, PROT_READ | PROT_EXEC) == 0);
    memcpy(&run, &p, sizeof run);
    holds(run() == 42);
#else
    needs(0, "machine code for this processor");
#endif
}
