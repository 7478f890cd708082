/* POSIX shm_open(), DESCRIPTION: the object's state persists until it is unlinked and unreferenced. */
#include "../suite.h"

TEST {
    byte got[5];
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT, 0600);
    must_write(fd, "there", 5, 0);
    must(close(fd) == 0);
    fd = shm_open(shm_name(), O_RDONLY, 0);
    holds(fd != -1 && pread(fd, got, 5, 0) == 5 && memcmp(got, "there", 5) == 0);
}
