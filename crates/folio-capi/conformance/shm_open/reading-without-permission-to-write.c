/* POSIX shm_open(), DESCRIPTION, O_RDONLY: only permission to read is needed. */
#include "../suite.h"

TEST {
    must(shm_file(O_RDWR | O_CREAT | O_EXCL, 0444) != -1);
    child(be_ordinary(); fails(shm_open(shm_name(), O_RDWR, 0), EACCES); works(shm_open(shm_name(), O_RDONLY, 0)));
}
