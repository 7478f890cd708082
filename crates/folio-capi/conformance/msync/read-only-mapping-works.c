/* POSIX msync(), ERRORS: that the mapping cannot be written is none. */
#include "../suite.h"

TEST {
    works(msync(must_map(page, PROT_READ, MAP_SHARED, file(page), 0), page, MS_SYNC));
}
