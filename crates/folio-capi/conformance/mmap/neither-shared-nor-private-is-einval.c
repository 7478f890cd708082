/* POSIX mmap(), ERRORS [EINVAL]: neither MAP_PRIVATE nor MAP_SHARED is set. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, 0, file(page), 0), EINVAL);
}
