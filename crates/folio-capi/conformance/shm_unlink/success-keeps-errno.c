/* errno(3): on Linux a call that succeeds leaves errno alone. */
#include "../suite.h"

TEST {
    must(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600) != -1);
    const char *name = shm_name();
    keeps_errno(shm_unlink(name));
}
