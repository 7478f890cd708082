/* feature_test_macros(7): with _FILE_OFFSET_BITS=64 mmap() is the same call, errors included. */
#define _FILE_OFFSET_BITS 64
#include "../suite.h"

TEST {
    fails(mmap(NULL, 0, PROT_READ, MAP_SHARED, file(page), 0), EINVAL);
}
