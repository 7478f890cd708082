/* madvise(2), ERRORS EACCES: MADV_REMOVE, and the range is not a shared writable mapping. */
#include "../suite.h"

TEST {
    fails(madvise(must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file(page), 0), page, MADV_REMOVE), EACCES);
}
