/* POSIX mmap(), DESCRIPTION: modified bytes of the last page beyond the object's end are never
 * written out: a read gets the object's own bytes and no more. */
#include "../suite.h"

TEST {
    int fd = file(100);
    byte *p = shared(fd, page), got[200];
    memset(p + 100, 0xee, page - 100);
    must(msync(p, page, MS_SYNC) == 0);
    holds(pread(fd, got, sizeof got, 0) == 100 && shows(got, 0, 100));
}
