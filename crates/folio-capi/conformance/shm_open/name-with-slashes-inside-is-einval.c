/* shm_open(3), DESCRIPTION: after its first slash a name has none; ERRORS EINVAL: name was invalid. */
#include "../suite.h"

TEST {
    fails(shm_open("/suite/inside", O_RDWR | O_CREAT, 0600), EINVAL);
}
