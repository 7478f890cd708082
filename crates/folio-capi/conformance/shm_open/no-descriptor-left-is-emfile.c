/* POSIX shm_open(), ERRORS [EMFILE]: all file descriptors available to the process are open. */
#include "../suite.h"

TEST {
    int next = dup(2);
    must(next != -1 && close(next) == 0);
    limit(RLIMIT_NOFILE, (size_t)next);
    fails(shm_open(shm_name(), O_RDWR | O_CREAT, 0600), EMFILE);
}
