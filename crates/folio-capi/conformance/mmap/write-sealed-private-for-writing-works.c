/* fcntl(2), F_SEAL_WRITE: only shared writable mappings are refused; a private one does not write. */
#include "../suite.h"

TEST {
    int fd = memfd_create("suite", MFD_ALLOW_SEALING);
    must(fd != -1 && ftruncate(fd, page) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
    works(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
}
