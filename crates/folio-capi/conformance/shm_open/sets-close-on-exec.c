/* POSIX shm_open(), DESCRIPTION: the FD_CLOEXEC flag of the new descriptor is set. */
#include "../suite.h"

TEST {
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT, 0600);
    must(fd != -1);
    holds(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}
