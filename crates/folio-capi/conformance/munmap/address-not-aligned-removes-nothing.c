/* POSIX munmap(), ERRORS [EINVAL]: it shall fail; a call that fails has removed nothing here. */
#include "../suite.h"

TEST {
    byte *p = anonymous(2 * page);
    munmap(p + 1, page);
    holds(is_mapped(p) && is_mapped(p + page));
}
