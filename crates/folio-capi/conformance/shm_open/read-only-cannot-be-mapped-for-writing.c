/* shm_open(3), O_RDONLY: an object opened in this way can be mapped for PROT_READ only. */
#include "../suite.h"

TEST {
    must_write(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600), "there", 5, 0);
    int fd = shm_open(shm_name(), O_RDONLY, 0);
    must(fd != -1);
    fails(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
}
