/* POSIX munlock(), ERRORS [ENOMEM]: the range does not correspond to valid mapped pages. */
#include "../suite.h"

TEST {
    fails(munlock(hole(page), page), ENOMEM);
}
