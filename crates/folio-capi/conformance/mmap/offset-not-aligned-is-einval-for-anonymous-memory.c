/* mmap(2), ERRORS EINVAL: the offset is not aligned on a page boundary; Linux checks it before the flags. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1), EINVAL);
}
