/* POSIX shm_open(), DESCRIPTION, O_CREAT: except those set in the file mode creation mask. */
#include "../suite.h"

TEST {
    struct stat s;
    umask(027);
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT, 0666);
    must(fd != -1 && fstat(fd, &s) == 0);
    holds((s.st_mode & 0777) == 0640);
}
