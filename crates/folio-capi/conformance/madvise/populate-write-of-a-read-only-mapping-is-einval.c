/* madvise(2), ERRORS EINVAL: MADV_POPULATE_WRITE, and the permissions do not suffice. */
#include "../suite.h"

TEST {
    fails(madvise(must_map(page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), page, MADV_POPULATE_WRITE), EINVAL);
}
