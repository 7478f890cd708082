/* POSIX leaves names without a leading slash to the implementation; here, as in Linux's libraries, the
 * slash makes no difference. */
#include "../suite.h"

TEST {
    must(shm_file(O_RDWR | O_CREAT | O_EXCL, 0600) != -1);
    works(shm_open(shm_name() + 1, O_RDWR, 0));
}
