/* mprotect(2), ERRORS ENOMEM: mappings with distinct attributes would exceed the allowed maximum. */
#include "../suite.h"

TEST {
    long most = most_mappings(), i = 0;
    byte *p = room(2 * (most + 2) * page);
    int result = 0;
    errno = 0;
    for (; i <= most && result == 0; i++) result = mprotect(p + (2 * i + 1) * page, page, PROT_READ);
    holds(result == -1 && errno == ENOMEM);
}
