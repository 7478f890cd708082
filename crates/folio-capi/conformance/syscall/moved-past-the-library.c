/* syscall(2), mremap(2): a mapping may move past the library; msync() works where it is now. */
#include "../suite.h"

TEST {
    int fd = file(page);
    byte *p = shared(fd, page), *to = room(page);
    must((byte *)syscall(SYS_mremap, p, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    poke(to, 0xee);
    works(msync(to, page, MS_SYNC));
    fails(msync(p, page, MS_SYNC), ENOMEM);
}
