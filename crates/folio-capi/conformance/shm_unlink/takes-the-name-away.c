/* POSIX shm_unlink(), DESCRIPTION: the name of the object is removed. */
#include "../suite.h"

TEST {
    must(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600) != -1);
    must(shm_unlink(shm_name()) == 0);
    holds(shm_file(O_RDWR, 0) == -1 && errno == ENOENT);
}
