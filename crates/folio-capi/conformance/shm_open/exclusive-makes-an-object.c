/* POSIX shm_open(), DESCRIPTION, O_EXCL: without such an object it is created. */
#include "../suite.h"

TEST {
    works(shm_open(shm_name(), O_RDWR | O_CREAT | O_EXCL, 0600));
}
