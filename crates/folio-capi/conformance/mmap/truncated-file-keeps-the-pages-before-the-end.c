/* POSIX ftruncate(), DESCRIPTION: only pages beyond the new end are discarded. */
#include "../suite.h"

TEST {
    int fd = file(3 * page);
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, fd, 0);
    must(shows(p, 0, 3 * page) && ftruncate(fd, page) == 0);
    attempt(holds(shows(p, 0, page)));
    holds(caught.signal == 0);
}
