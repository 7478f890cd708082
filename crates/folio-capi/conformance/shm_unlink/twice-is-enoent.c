/* POSIX shm_unlink(), ERRORS [ENOENT]: the named object does not exist. */
#include "../suite.h"

TEST {
    must(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600) != -1);
    must(shm_unlink(shm_name()) == 0);
    fails(shm_unlink(shm_name()), ENOENT);
}
