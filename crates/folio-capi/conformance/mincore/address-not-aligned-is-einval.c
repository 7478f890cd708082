/* mincore(2), ERRORS EINVAL: addr is not a multiple of the page size. */
#include "../suite.h"

TEST {
    byte vec[2];
    fails(mincore(anonymous(2 * page) + 1, page, vec), EINVAL);
}
