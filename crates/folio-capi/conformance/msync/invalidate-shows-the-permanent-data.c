/* POSIX msync(), DESCRIPTION: after MS_INVALIDATE references obtain data that was consistent with
 * the object at some time since the call. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = shared(fd, page);
    must(shows(p, 0, page));
    must_write(fd, "fresh", 5, 0);
    must(msync(p, page, MS_INVALIDATE) == 0);
    holds(memcmp(p, "fresh", 5) == 0);
}
