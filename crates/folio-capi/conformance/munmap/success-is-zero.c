/* POSIX munmap(), RETURN VALUE: upon successful completion 0. */
#include "../suite.h"

TEST {
    holds(munmap(anonymous(page), page) == 0);
}
