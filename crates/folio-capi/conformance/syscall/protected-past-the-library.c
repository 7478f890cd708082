/* syscall(2), mprotect(2): the library's next call starts from what is, not from what it did. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    must(syscall(SYS_mprotect, p, page, PROT_NONE) == 0);
    must(mprotect(p, page, PROT_READ | PROT_WRITE) == 0);
    attempt(poke(p, 1));
    holds(caught.signal == 0);
}
