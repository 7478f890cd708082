/* POSIX mmap(), ERRORS [EINVAL]: MAP_FIXED, and addr is not a multiple of the page size. */
#include "../suite.h"

TEST {
    byte *at = room(4 * page);
    fails(mmap(at + 1, page, PROT_READ, MAP_SHARED | MAP_FIXED, file(page), 0), EINVAL);
}
