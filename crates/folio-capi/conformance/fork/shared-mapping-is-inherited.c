/* POSIX fork(), DESCRIPTION: memory mappings of the parent are retained in the child. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    child(holds(shows(p, 0, page)));
}
