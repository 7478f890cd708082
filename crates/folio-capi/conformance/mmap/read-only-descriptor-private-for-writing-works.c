/* POSIX mmap(), DESCRIPTION: PROT_WRITE with MAP_PRIVATE needs no permission to write the file. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, reopen(file(page), O_RDONLY), 0);
    attempt(poke(p, 1));
    holds(caught.signal == 0);
}
