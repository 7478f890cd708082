/* POSIX msync(), DESCRIPTION: the modified data of the range goes to its place in the object. */
#include "../suite.h"

TEST {
    int fd = clean_file(8 * page);
    byte *p = must_map(2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4 * page);
    poke(p + page, 0xee);
    needs(dirty_pages(fd, 5 * page, page) > 0, "a kernel that lets written pages wait");
    must(msync(p + page, page, MS_SYNC) == 0);
    holds(dirty_pages(fd, 5 * page, page) == 0);
}
