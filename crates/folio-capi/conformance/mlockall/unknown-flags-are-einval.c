/* POSIX mlockall(), ERRORS [EINVAL]: flags includes unimplemented ones. */
#include "../suite.h"

TEST {
    fails(mlockall(MCL_CURRENT | 0x100), EINVAL);
}
