/* shm_open(3), O_CREAT: newly allocated bytes of the object are initialized to 0. */
#include "../suite.h"

TEST {
    int fd = shm_open(shm_name(), O_RDWR | O_CREAT, 0600);
    must(fd != -1 && ftruncate(fd, 2 * page) == 0);
    holds(all(shared(fd, 2 * page), 0, 2 * page));
}
