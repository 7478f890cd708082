/* mremap(2), ERRORS EINVAL: old_size is zero without MREMAP_MAYMOVE. (Linux answers ENOMEM: there is
 * no room at the old address.) */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), page);
    errno = 0;
    void *q = mremap(p, 0, page, 0);
    holds(q == MAP_FAILED && (errno == EINVAL || errno == ENOMEM));
}
