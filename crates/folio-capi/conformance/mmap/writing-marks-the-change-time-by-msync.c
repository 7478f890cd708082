/* POSIX mmap(), DESCRIPTION: st_ctime is marked with st_mtime. */
#include "../suite.h"

TEST {
    int fd = file(page);
    struct stat before, after;
    needs(!is_tmpfs(fd), "a TMPDIR on a disk: tmpfs marks no times for mappings");
    must(fstat(fd, &before) == 0 && usleep(30000) == 0);
    byte *p = shared(fd, page);
    poke(p, 0xee);
    must(msync(p, page, MS_SYNC) == 0 && fstat(fd, &after) == 0);
    holds(memcmp(&before.st_ctim, &after.st_ctim, sizeof before.st_ctim) != 0);
}
