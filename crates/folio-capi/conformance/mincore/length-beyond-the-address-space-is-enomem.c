/* mincore(2), ERRORS ENOMEM: length is greater than (TASK_SIZE - addr). */
#include "../suite.h"

TEST {
    byte vec[1];
    fails(mincore(anonymous(page), SIZE_MAX / 2, vec), ENOMEM);
}
