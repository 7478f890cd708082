/* POSIX shm_unlink(), DESCRIPTION: the object stays until all open and map references are gone. */
#include "../suite.h"

TEST {
    byte got[5];
    int fd = shm_file(O_RDWR | O_CREAT | O_EXCL, 0600);
    must_write(fd, "there", 5, 0);
    must(shm_unlink(shm_name()) == 0);
    holds(pread(fd, got, 5, 0) == 5 && memcmp(got, "there", 5) == 0);
}
