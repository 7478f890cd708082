/* POSIX, The Compilation Environment, and feature_test_macros(7): _FILE_OFFSET_BITS=64 gives mmap()
 * another name inside (mmap64), and the same meaning. */
#define _FILE_OFFSET_BITS 64
#include "../suite.h"

TEST {
    int fd = empty_file();
    off_t far = ((off_t)9 << 30) + (off_t)page;
    must_write(fd, "far", 3, far);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, far);
    holds(memcmp(p, "far", 3) == 0);
}
