/* folio.h: the library changes nothing about faults before a program asks. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    int signal;
    killer(signal, peek(p + page));
    holds(signal == SIGBUS);
}
