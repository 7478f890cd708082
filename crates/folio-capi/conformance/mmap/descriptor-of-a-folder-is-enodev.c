/* POSIX mmap(), ERRORS [ENODEV]: the type of file is not supported by mmap(). */
#include "../suite.h"

TEST {
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    must(fd != -1);
    fails(mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0), ENODEV);
}
