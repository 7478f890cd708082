/* POSIX shm_unlink(), ERRORS [ENOENT]; shm_open(3) [EINVAL]: no object can have this name. */
#include "../suite.h"

TEST {
    errno = 0;
    int result = shm_unlink("/");
    holds(result == -1 && (errno == ENOENT || errno == EINVAL));
}
