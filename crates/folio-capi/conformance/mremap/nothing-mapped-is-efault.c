/* mremap(2), ERRORS EFAULT: some address in the old range is invalid for the process. */
#include "../suite.h"

TEST {
    fails(mremap(hole(page), page, 2 * page, MREMAP_MAYMOVE), EFAULT);
}
