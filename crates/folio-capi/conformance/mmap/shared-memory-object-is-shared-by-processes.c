/* POSIX mmap() and shm_open(): processes that map one object see each other's stores. */
#include "../suite.h"

TEST {
    int fd = shm_file(O_RDWR | O_CREAT | O_EXCL, 0600);
    needs(fd != -1, "/dev/shm");
    must(ftruncate(fd, page) == 0);
    byte *p = shared(fd, page);
    child(poke(shared(fd, page), 0xee));
    holds(peek(p) == 0xee);
}
