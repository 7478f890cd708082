/* POSIX shm_open(), DESCRIPTION, O_CREAT: if the object exists, this flag has no effect. */
#include "../suite.h"

TEST {
    byte got[5];
    must_write(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600), "there", 5, 0);
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT, 0600);
    holds(fd != -1 && pread(fd, got, 5, 0) == 5 && memcmp(got, "there", 5) == 0);
}
