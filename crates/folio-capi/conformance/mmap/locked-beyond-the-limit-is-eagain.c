/* POSIX mmap(), ERRORS [EAGAIN], and mmap(2): too much memory would be locked (MAP_LOCKED). */
#include "../suite.h"

TEST {
    be_ordinary();
    limit(RLIMIT_MEMLOCK, 4 * page);
    fails(mmap(NULL, 16 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0), EAGAIN);
}
