/* POSIX shm_open(), ERRORS [ENOENT]: O_CREAT is not set, and the object does not exist. */
#include "../suite.h"

TEST {
    fails(shm_open(shm_name(), O_RDWR, 0), ENOENT);
}
