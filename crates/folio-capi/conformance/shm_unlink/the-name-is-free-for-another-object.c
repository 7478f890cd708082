/* POSIX shm_unlink(), DESCRIPTION: shm_open() with O_CREAT then makes a new object of that name. */
#include "../suite.h"

TEST {
    struct stat s;
    must_write(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600), "there", 5, 0);
    must(shm_unlink(shm_name()) == 0);
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT | O_EXCL, 0600);
    holds(fd != -1 && fstat(fd, &s) == 0 && s.st_size == 0);
}
