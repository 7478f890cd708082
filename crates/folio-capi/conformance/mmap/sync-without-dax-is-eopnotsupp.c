/* mmap(2), MAP_SYNC: for files that do not support DAX a mapping with this flag results in EOPNOTSUPP. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, file(page), 0), EOPNOTSUPP);
}
