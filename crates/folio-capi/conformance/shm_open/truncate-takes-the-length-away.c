/* POSIX shm_open(), DESCRIPTION, O_TRUNC: an existing object opened O_RDWR becomes zero length. */
#include "../suite.h"

TEST {
    struct stat s;
    must_write(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600), "there", 5, 0);
    int fd = shm_open(shm_name(), O_RDWR | O_TRUNC, 0);
    must(fd != -1 && fstat(fd, &s) == 0);
    holds(s.st_size == 0);
}
