/* POSIX posix_madvise(), RETURN VALUE and ERRORS [ENOMEM]: an error number is returned. */
#include "../suite.h"

TEST {
    holds(posix_madvise(hole(page), page, POSIX_MADV_WILLNEED) == ENOMEM);
}
