/* mprotect(2), ERRORS EINVAL: both PROT_GROWSUP and PROT_GROWSDOWN. */
#include "../suite.h"

TEST {
    fails(mprotect(anonymous(page), page, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN), EINVAL);
}
