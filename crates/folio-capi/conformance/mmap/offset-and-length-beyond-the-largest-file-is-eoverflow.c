/* POSIX mmap(), ERRORS [EOVERFLOW]: a regular file, and off + len is beyond the offset maximum. */
#include "../suite.h"

TEST {
    off_t largest = (off_t)(INT64_MAX & ~(int64_t)(page - 1));
    fails(mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, file(page), largest), EOVERFLOW);
}
