/* folio.h, folio_guard, errors: EINVAL for a length of 0. */
#include "../suite.h"

TEST {
    fails(folio_guard(anonymous(page), 0, FOLIO_ZEROS), EINVAL);
}
