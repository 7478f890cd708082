/* POSIX shm_open(), ERRORS [EINVAL]: the operation is not supported for the name. */
#include "../suite.h"

TEST {
    fails(shm_open("/", O_RDWR | O_CREAT, 0600), EINVAL);
}
