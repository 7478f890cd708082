/* POSIX mprotect(), RETURN VALUE: upon successful completion 0. */
#include "../suite.h"

TEST {
    holds(mprotect(anonymous(page), page, PROT_READ) == 0);
}
