/* POSIX munlock(), ERRORS: that nothing was locked is none. */
#include "../suite.h"

TEST {
    works(munlock(anonymous(page), page));
}
