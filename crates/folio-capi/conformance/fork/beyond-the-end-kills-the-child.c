/* POSIX fork() and mmap(): a reference beyond the end of an object delivers SIGBUS in the child too. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
