/* POSIX mmap(), DESCRIPTION: the implementation never places a mapping at address 0 by itself. */
#include "../suite.h"

TEST {
    holds(must_map(page, PROT_READ, MAP_SHARED, file(page), 0) != NULL);
}
