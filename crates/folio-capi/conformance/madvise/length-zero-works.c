/* madvise(2): advice for no bytes is none; Linux returns 0. */
#include "../suite.h"

TEST {
    works(madvise(anonymous(page), 0, MADV_DONTNEED));
}
