/* madvise(2), ERRORS EINVAL: MADV_FREE, and the range includes file mappings. */
#include "../suite.h"

TEST {
    fails(madvise(shared(file(page), page), page, MADV_FREE), EINVAL);
}
