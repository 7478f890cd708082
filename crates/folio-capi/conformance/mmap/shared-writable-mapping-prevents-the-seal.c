/* fcntl(2), F_SEAL_WRITE: EBUSY while a shared writable mapping exists: it counts as one. */
#include "../suite.h"

TEST {
    int fd = memfd_create("suite", MFD_ALLOW_SEALING);
    must(fd != -1 && ftruncate(fd, page) == 0);
    shared(fd, page);
    fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
}
