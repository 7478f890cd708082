/* folio.h, folio_write: what was returned as copied is in the mapping, and in the file for MAP_SHARED. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = shared(fd, page);
    holds(folio_write(p + 10, "fresh", 5, NULL) == 5 && byte_in_file(fd, 10) == 'f' && byte_in_file(fd, 14) == 'h');
}
