/* mmap(2), ERRORS EINVAL: flags contained none of MAP_PRIVATE, MAP_SHARED and MAP_SHARED_VALIDATE. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
}
