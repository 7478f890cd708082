/* POSIX fork(), DESCRIPTION: mappings are retained, and what is permitted with them. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    int signal;
    killer(signal, poke(p, 1));
    holds(signal == SIGSEGV);
}
