/* msync(2), NOTES: since Linux 2.6.19 MS_ASYNC writes nothing itself; it returns 0 and leaves the
 * pages to the kernel. (A kernel that is just writing them makes this test pass over.) */
#include "../suite.h"

TEST {
    int fd = clean_file(page);
    byte *p = shared(fd, page);
    poke(p, 0xee);
    needs(dirty_pages(fd, 0, 0) > 0, "a kernel that lets written pages wait");
    must(msync(p, page, MS_ASYNC) == 0);
    long left = dirty_pages(fd, 0, 0);
    int again = 0;
    for (; left == 0 && again < 5; again++) { /* was it the kernel's own turn just then? */
        poke(p, (byte)again);
        must(msync(p, page, MS_ASYNC) == 0);
        left = dirty_pages(fd, 0, 0);
    }
    holds(left > 0);
}
