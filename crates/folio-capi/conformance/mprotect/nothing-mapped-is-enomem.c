/* POSIX mprotect(), ERRORS [ENOMEM]: the range specifies pages that are not mapped. */
#include "../suite.h"

TEST {
    fails(mprotect(hole(page), page, PROT_READ), ENOMEM);
}
