/* POSIX msync(), DESCRIPTION: on other than memory mapped files the effect is unspecified; Linux returns 0. */
#include "../suite.h"

TEST {
    works(msync(anonymous(page), page, MS_SYNC));
}
