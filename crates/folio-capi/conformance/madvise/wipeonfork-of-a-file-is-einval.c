/* madvise(2), ERRORS EINVAL: MADV_WIPEONFORK, and the range includes file or shared mappings. */
#include "../suite.h"

TEST {
    fails(madvise(must_map(page, PROT_READ, MAP_PRIVATE, file(page), 0), page, MADV_WIPEONFORK), EINVAL);
}
