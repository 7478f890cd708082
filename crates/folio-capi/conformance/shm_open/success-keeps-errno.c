/* errno(3): on Linux a call that succeeds leaves errno alone. */
#include "../suite.h"

TEST {
    const char *name = shm_name();
    keeps_errno(shm_open(name, O_RDWR | O_CREAT, 0600));
}
