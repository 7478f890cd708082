/* madvise(2), MADV_POPULATE_READ: prefaults all pages of the range readable. */
#include "../suite.h"

TEST {
    int fd = clean_file(4 * page);
    must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    byte *p = must_map(4 * page, PROT_READ, MAP_SHARED, fd, 0);
    int result = madvise(p, 4 * page, MADV_POPULATE_READ);
    needs(result == 0 || errno != EINVAL, "MADV_POPULATE_READ (Linux 5.14)");
    holds(result == 0 && is_resident(p) && is_resident(p + 3 * page));
}
