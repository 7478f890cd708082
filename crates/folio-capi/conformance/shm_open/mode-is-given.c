/* POSIX shm_open(), DESCRIPTION, O_CREAT: the permission bits are those of mode. */
#include "../suite.h"

TEST {
    struct stat s;
    umask(0);
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT, 0640);
    must(fd != -1 && fstat(fd, &s) == 0);
    holds((s.st_mode & 0777) == 0640);
}
