/* feature_test_macros(7): with _FILE_OFFSET_BITS=64 mmap() is the same call. */
#define _FILE_OFFSET_BITS 64
#include "../suite.h"

TEST {
    int fd = file(page);
    poke(shared(fd, page) + 7, 0xee);
    holds(byte_in_file(fd, 7) == 0xee);
}
