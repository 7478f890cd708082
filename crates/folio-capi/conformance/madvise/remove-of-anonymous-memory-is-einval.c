/* madvise(2), MADV_REMOVE: the range must be backed by a file that can have holes. */
#include "../suite.h"

TEST {
    fails(madvise(anonymous(page), page, MADV_REMOVE), EINVAL);
}
