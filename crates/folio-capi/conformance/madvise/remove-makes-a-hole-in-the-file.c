/* madvise(2), MADV_REMOVE: pages and their backing store are freed; later accesses see zeros. */
#include "../suite.h"

TEST {
    int fd = file(3 * page);
    byte *p = shared(fd, 3 * page);
    int result = madvise(p + page, page, MADV_REMOVE);
    needs(result == 0 || errno != EOPNOTSUPP, "a file system that can make holes");
    holds(result == 0 && all(p + page, 0, page) && byte_in_file(fd, page) == 0 && shows(p, 0, page));
}
