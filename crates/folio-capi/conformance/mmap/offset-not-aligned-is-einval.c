/* POSIX mmap(), ERRORS [EINVAL]: `off` is not a multiple of the page size. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, MAP_SHARED, file(3 * page), 512), EINVAL);
}
