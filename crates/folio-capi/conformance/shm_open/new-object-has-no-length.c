/* POSIX shm_open(), DESCRIPTION, O_CREAT: the object shall have a size of zero. */
#include "../suite.h"

TEST {
    struct stat s;
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT, 0600);
    must(fd != -1 && fstat(fd, &s) == 0);
    holds(s.st_size == 0);
}
