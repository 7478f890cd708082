/* shm_open(3), NOTES: objects live in a tmpfs, normally under /dev/shm: programs that do not use this
 * library must find them. */
#include "../suite.h"

TEST {
    must(shm_open(shm_name(), O_RDWR | O_CREAT, 0600) != -1);
    works(shm_file(O_RDWR, 0));
}
