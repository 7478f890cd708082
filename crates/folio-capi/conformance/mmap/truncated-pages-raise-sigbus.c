/* POSIX ftruncate(), DESCRIPTION: whole mapped pages beyond the new end are discarded, and references
 * to them deliver SIGBUS. */
#include "../suite.h"

TEST {
    int fd = file(3 * page);
    byte *p = must_map(3 * page, PROT_READ, MAP_SHARED, fd, 0);
    must(shows(p, 0, 3 * page) && ftruncate(fd, page) == 0);
    attempt(peek(p + page));
    holds(caught.signal == SIGBUS);
}
