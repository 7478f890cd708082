/* POSIX shm_unlink(), ERRORS [ENAMETOOLONG]: longer than a name may be; shm_open(3) has [ENOENT] for
 * names that cannot exist, and libraries differ. */
#include "../suite.h"

TEST {
    char name[PATH_MAX + 2];
    memset(name, 'a', sizeof name);
    name[0] = '/';
    name[sizeof name - 1] = 0;
    errno = 0;
    int result = shm_unlink(name);
    holds(result == -1 && (errno == ENAMETOOLONG || errno == ENOENT));
}
