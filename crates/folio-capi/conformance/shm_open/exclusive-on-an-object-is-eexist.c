/* POSIX shm_open(), ERRORS [EEXIST]: O_CREAT and O_EXCL are set, and the object exists. */
#include "../suite.h"

TEST {
    must(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600) != -1);
    fails(shm_open(shm_name(), O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
}
