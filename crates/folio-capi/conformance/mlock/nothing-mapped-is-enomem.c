/* POSIX mlock(), ERRORS [ENOMEM]: the range does not correspond to valid mapped pages. */
#include "../suite.h"

TEST {
    needs_lockable(page);
    fails(mlock(hole(page), page), ENOMEM);
}
