/* mremap(2), ERRORS EINVAL: a value other than the known flags. */
#include "../suite.h"

TEST {
    fails(mremap(anonymous(page), page, page, 0x100), EINVAL);
}
