/* mmap(2), ERRORS ENOMEM: unmapping in the middle makes two of one, and too many may not be. */
#include "../suite.h"

TEST {
    long most = most_mappings(), i = 0;
    byte *p = room(2 * (most + 2) * page);
    int result = 0;
    errno = 0;
    for (; i <= most && result == 0; i++) result = munmap(p + (2 * i + 1) * page, page);
    holds(result == -1 && errno == ENOMEM);
}
