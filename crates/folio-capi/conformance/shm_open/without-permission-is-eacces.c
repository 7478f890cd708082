/* POSIX shm_open(), ERRORS [EACCES]: the object exists, and the permissions of oflag are denied. */
#include "../suite.h"

TEST {
    must(shm_file(O_RDWR | O_CREAT | O_EXCL, 0000) != -1);
    child(be_ordinary(); fails(shm_open(shm_name(), O_RDWR, 0), EACCES));
}
