/* POSIX mprotect(), ERRORS [EINVAL]: addr is not a multiple of the page size. */
#include "../suite.h"

TEST {
    fails(mprotect(anonymous(2 * page) + 1, page, PROT_READ), EINVAL);
}
