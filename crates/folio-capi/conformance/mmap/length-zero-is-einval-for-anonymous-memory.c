/* mmap(2), ERRORS EINVAL: length was 0; there is no exception for anonymous memory. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
}
