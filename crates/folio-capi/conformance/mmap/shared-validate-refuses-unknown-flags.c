/* mmap(2), MAP_SHARED_VALIDATE: the call fails with EOPNOTSUPP for unknown flags. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, MAP_SHARED_VALIDATE | 0x1000000, file(page), 0), EOPNOTSUPP);
}
