/* POSIX shm_open(), DESCRIPTION: the descriptor is the lowest not open in the process. */
#include "../suite.h"

TEST {
    int low = dup(2), high = dup(2);
    must(low != -1 && high > low && close(low) == 0);
    holds(shm_open(shm_name(), O_RDWR | O_CREAT, 0600) == low);
}
