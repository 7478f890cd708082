/* POSIX mmap(), DESCRIPTION: the first reference to a mapped region shall mark st_atime for update. */
#include "../suite.h"
#include <sys/statvfs.h>

TEST {
    int fd = file(page);
    struct timespec old[2] = {{978307200, 0}, {978307200, 0}};
    struct statvfs v;
    struct stat s;
    must(fstatvfs(fd, &v) == 0);
    needs(!(v.f_flag & ST_NOATIME), "a TMPDIR not mounted noatime");
    must(futimens(fd, old) == 0);
    byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, 0);
    peek(p);
    must(munmap(p, page) == 0 && fstat(fd, &s) == 0);
    holds(s.st_atim.tv_sec != 978307200);
}
