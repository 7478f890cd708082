/* POSIX mmap(), DESCRIPTION: nothing is read or written through the descriptor; its offset stays. */
#include "../suite.h"

TEST {
    int fd = file(2 * page);
    must(lseek(fd, 17, SEEK_SET) == 17);
    byte *p = must_map(2 * page, PROT_READ, MAP_PRIVATE, fd, 0);
    holds(shows(p, 0, page) && lseek(fd, 0, SEEK_CUR) == 17);
}
