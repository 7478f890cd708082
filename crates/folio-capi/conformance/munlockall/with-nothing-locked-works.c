/* POSIX munlockall(), ERRORS: that nothing was locked is none. */
#include "../suite.h"

TEST {
    holds(munlockall() == 0);
}
