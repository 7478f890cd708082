/* folio.h, folio_guard, errors: EINVAL for `response`. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    fails(folio_guard(p, page, 77), EINVAL);
}
