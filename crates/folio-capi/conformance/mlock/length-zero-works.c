/* mlock(2): no page contains a part of no bytes; Linux returns 0. */
#include "../suite.h"

TEST {
    works(mlock(anonymous(page), 0));
}
