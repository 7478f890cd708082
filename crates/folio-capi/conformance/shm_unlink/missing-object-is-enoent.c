/* POSIX shm_unlink(), ERRORS [ENOENT]: the named object does not exist. */
#include "../suite.h"

TEST {
    fails(shm_unlink(shm_name()), ENOENT);
}
