/* POSIX 2.3 Error Numbers [EFAULT], and write(2): a buffer that cannot be read is an error of the call. */
#include "../suite.h"

TEST {
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    fails(pwrite(empty_file(), p + page, 10, 0), EFAULT);
}
