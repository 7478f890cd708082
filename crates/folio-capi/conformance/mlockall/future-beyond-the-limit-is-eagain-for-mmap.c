/* POSIX mmap(), ERRORS [EAGAIN]: the mapping could not be locked as mlockall() requires. */
#include "../suite.h"

TEST {
    be_ordinary();
    limit(RLIMIT_MEMLOCK, 4 * page);
    must(mlockall(MCL_FUTURE) == 0);
    fails(mmap(NULL, 64 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EAGAIN);
}
