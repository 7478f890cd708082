/* mmap(2), ERRORS EACCES: PROT_WRITE is set, but the file is append-only. */
#include "../suite.h"
#include <linux/fs.h>

TEST {
    int fd = file(page), before = 0;
    int known = ioctl(fd, FS_IOC_GETFLAGS, &before) == 0, append = before | FS_APPEND_FL;
    needs(known && ioctl(fd, FS_IOC_SETFLAGS, &append) == 0, "the right and a file system to make a file append-only");
    errno = 0;
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int number = errno;
    must(ioctl(fd, FS_IOC_SETFLAGS, &before) == 0);
    holds(p == MAP_FAILED && number == EACCES);
}
