/* POSIX mmap(), DESCRIPTION: st_mtime is marked for mappings with MAP_SHARED and PROT_WRITE. */
#include "../suite.h"

TEST {
    int fd = file(page);
    struct timespec old[2] = {{978307200, 0}, {978307200, 0}};
    struct stat s;
    must(futimens(fd, old) == 0);
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    poke(p, 0xee);
    must(munmap(p, page) == 0 && fstat(fd, &s) == 0);
    holds(s.st_mtim.tv_sec == 978307200);
}
