/* POSIX munmap(), DESCRIPTION: any mappings in the range, several and with gaps between them. */
#include "../suite.h"

TEST {
    byte *at = room(5 * page);
    int fd = file(page);
    must(mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == at);
    must(syscall(SYS_munmap, at + page, page) == 0);
    must(mmap(at + 2 * page, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == at + 2 * page);
    must(munmap(at, 5 * page) == 0);
    int left = 0;
    for (int i = 0; i < 5; i++) left += is_mapped(at + i * page);
    holds(left == 0);
}
