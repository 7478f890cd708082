/* POSIX shm_open(), DESCRIPTION: a new open file description, not shared with others. */
#include "../suite.h"

TEST {
    int a = shm_open(shm_name(), O_RDWR | O_CREAT, 0600), b = shm_open(shm_name(), O_RDWR, 0);
    must(a != -1 && b != -1 && ftruncate(a, 100) == 0 && lseek(a, 50, SEEK_SET) == 50);
    holds(lseek(b, 0, SEEK_CUR) == 0);
}
