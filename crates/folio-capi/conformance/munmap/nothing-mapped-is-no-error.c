/* POSIX munmap(), DESCRIPTION: with no mappings in the range it has no effect. */
#include "../suite.h"

TEST {
    works(munmap(hole(4 * page), 4 * page));
}
