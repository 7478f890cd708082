/* POSIX shm_open(), DESCRIPTION, O_CREAT: the user ID is the effective user ID of the process. */
#include "../suite.h"

TEST {
    struct stat s;
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT, 0600);
    must(fd != -1 && fstat(fd, &s) == 0);
    holds(s.st_uid == geteuid());
}
