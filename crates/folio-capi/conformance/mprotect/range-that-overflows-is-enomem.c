/* POSIX mprotect(), ERRORS [ENOMEM]: addresses of the range are invalid for the address space. */
#include "../suite.h"

TEST {
    fails(mprotect(anonymous(page), SIZE_MAX - page, PROT_READ), ENOMEM);
}
