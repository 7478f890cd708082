/* POSIX shm_unlink(), ERRORS [EACCES]: permission is denied to unlink the named object. */
#include "../suite.h"

TEST {
    struct stat s;
    needs(geteuid() == 0, "another user's object, which takes root");
    must(stat("/dev/shm", &s) == 0 && s.st_mode & S_ISVTX);
    must(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600) != -1);
    child(be_ordinary(); fails(shm_unlink(shm_name()), EACCES));
}
