/* POSIX mmap() MAP_SHARED: one object, whichever way it was mapped. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *a = shared(fd, page);
    byte *b = (byte *)syscall(SYS_mmap, NULL, page, PROT_READ, MAP_SHARED, fd, 0L);
    must(b != MAP_FAILED);
    poke(a, 0xee);
    holds(peek(b) == 0xee);
}
