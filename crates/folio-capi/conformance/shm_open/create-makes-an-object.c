/* POSIX shm_open(), DESCRIPTION, O_CREAT: the object is created; a second call finds it. */
#include "../suite.h"

TEST {
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT, 0600);
    holds(fd != -1 && shm_open(shm_name(), O_RDWR, 0) != -1);
}
