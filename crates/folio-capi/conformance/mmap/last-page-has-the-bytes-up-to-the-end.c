/* POSIX mmap(), DESCRIPTION: the object's bytes are there, up to its last one in a partial page. */
#include "../suite.h"

TEST {
    byte *p = must_map(page + 100, PROT_READ, MAP_SHARED, file(page + 100), 0);
    attempt(holds(shows(p, 0, page + 100)));
    holds(caught.signal == 0);
}
