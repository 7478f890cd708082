/* POSIX <signal.h>: the default action of SIGBUS is abnormal termination, and by that signal. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
