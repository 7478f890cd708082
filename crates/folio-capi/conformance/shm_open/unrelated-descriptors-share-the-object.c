/* POSIX shm_open(), DESCRIPTION: a connection to the one object of that name. */
#include "../suite.h"

TEST {
    int a = shm_open(shm_name(), O_RDWR | O_CREAT, 0600);
    must(a != -1 && ftruncate(a, page) == 0);
    byte *p = shared(a, page);
    child(int b = shm_open(shm_name(), O_RDWR, 0); must(b != -1); poke(shared(b, page), 0xee));
    holds(peek(p) == 0xee);
}
