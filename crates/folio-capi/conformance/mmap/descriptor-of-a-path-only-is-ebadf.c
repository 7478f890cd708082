/* open(2), O_PATH: mmap(2) on such a descriptor fails with EBADF. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, MAP_PRIVATE, reopen(file(page), O_PATH), 0), EBADF);
}
