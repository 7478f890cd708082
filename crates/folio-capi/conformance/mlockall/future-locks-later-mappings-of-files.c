/* POSIX mlockall(), DESCRIPTION, MCL_FUTURE: memory mapped files, too. */
#include "../suite.h"

TEST {
    needs_lockable((size_t)1 << 30);
    int fd = file(8 * page);
    must(mlockall(MCL_FUTURE) == 0);
    long before = locked_bytes();
    must_map(8 * page, PROT_READ, MAP_SHARED, fd, 0);
    holds(locked_bytes() == before + 8 * (long)page);
}
