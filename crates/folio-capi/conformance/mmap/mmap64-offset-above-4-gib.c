/* lfs and _LARGEFILE64_SOURCE, feature_test_macros(7): mmap64() takes an off64_t. */
#include "../suite.h"

TEST {
    int fd = empty_file();
    off64_t far = ((off64_t)6 << 30) + (off64_t)page;
    must_write(fd, "far", 3, far);
    byte *p = mmap64(NULL, page, PROT_READ, MAP_SHARED, fd, far);
    holds(p != MAP_FAILED && memcmp(p, "far", 3) == 0);
}
