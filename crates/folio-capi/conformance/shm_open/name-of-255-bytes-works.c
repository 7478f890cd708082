/* shm_open(3), DESCRIPTION: a name is a slash and then up to NAME_MAX (255) bytes; here 255 with the slash. */
#include "../suite.h"

TEST {
    char name[256];
    snprintf(name, sizeof name, "/suite-%ld-", (long)getpid());
    size_t length = strlen(name);
    memset(name + length, 'a', 255 - length);
    name[255] = 0;
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600), number = errno;
    shm_unlink(name);
    errno = number;
    works(fd);
}
