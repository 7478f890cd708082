/* mmap(2), ERRORS EPERM: a file seal prevents the operation; fcntl(2), F_SEAL_WRITE. */
#include "../suite.h"

TEST {
    int fd = memfd_create("suite", MFD_ALLOW_SEALING);
    must(fd != -1 && ftruncate(fd, page) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
    fails(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
}
