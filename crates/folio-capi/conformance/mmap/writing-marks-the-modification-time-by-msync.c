/* POSIX mmap(), DESCRIPTION: st_mtime of a file mapped MAP_SHARED and PROT_WRITE shall be marked at
 * some point between a write reference and the next msync(). */
#include "../suite.h"

TEST {
    int fd = file(page);
    struct timespec old[2] = {{978307200, 0}, {978307200, 0}};
    struct stat s;
    needs(!is_tmpfs(fd), "a TMPDIR on a disk: tmpfs marks no times for mappings");
    must(futimens(fd, old) == 0);
    byte *p = shared(fd, page);
    poke(p, 0xee);
    must(msync(p, page, MS_SYNC) == 0 && fstat(fd, &s) == 0);
    holds(s.st_mtim.tv_sec != 978307200);
}
