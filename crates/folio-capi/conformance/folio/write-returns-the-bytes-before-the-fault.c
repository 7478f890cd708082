/* folio.h, folio_write: the same contract as folio_read, the other way round. */
#include "../suite.h"

TEST {
    byte from[200];
    memset(from, 0xee, sizeof from);
    int fd = file(page);
    byte *p = shared(fd, 2 * page);
    holds(folio_write(p + page - 60, from, 200, NULL) == 60 && byte_in_file(fd, page - 1) == 0xee);
}
