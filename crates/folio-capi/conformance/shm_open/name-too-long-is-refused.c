/* POSIX shm_open(), ERRORS [ENAMETOOLONG]: longer than a name may be. (glibc answers EINVAL: such a name
 * is not a valid one.) */
#include "../suite.h"

TEST {
    char name[PATH_MAX + 2];
    memset(name, 'a', sizeof name);
    name[0] = '/';
    name[sizeof name - 1] = 0;
    errno = 0;
    int fd = shm_open(name, O_RDWR | O_CREAT, 0600);
    holds(fd == -1 && (errno == ENAMETOOLONG || errno == EINVAL));
}
