/* POSIX <signal.h>, SIGBUS: BUS_ADRERR says nonexistent physical address. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    attempt(peek(p + page));
    holds(caught.code == BUS_ADRERR);
}
