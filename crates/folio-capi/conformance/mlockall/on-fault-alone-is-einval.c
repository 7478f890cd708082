/* mlock(2), ERRORS EINVAL: MCL_ONFAULT without MCL_FUTURE or MCL_CURRENT. */
#include "../suite.h"

TEST {
    fails(mlockall(4), EINVAL);
}
