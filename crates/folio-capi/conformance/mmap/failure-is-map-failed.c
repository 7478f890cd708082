/* POSIX mmap(), RETURN VALUE: otherwise MAP_FAILED, which is no address and not NULL. */
#include "../suite.h"

TEST {
    holds(mmap(NULL, 0, PROT_READ, MAP_SHARED, file(page), 0) == MAP_FAILED);
}
