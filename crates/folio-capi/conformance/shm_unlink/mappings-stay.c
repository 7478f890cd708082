/* POSIX shm_unlink(), DESCRIPTION: the object stays until all open and map references are gone. */
#include "../suite.h"

TEST {
    int fd = shm_file(O_RDWR | O_CREAT | O_EXCL, 0600);
    must(fd != -1 && ftruncate(fd, page) == 0);
    byte *p = shared(fd, page);
    memset(p, 0xaa, page);
    must(shm_unlink(shm_name()) == 0 && close(fd) == 0);
    attempt(holds(all(p, 0xaa, page)));
    holds(caught.signal == 0);
}
