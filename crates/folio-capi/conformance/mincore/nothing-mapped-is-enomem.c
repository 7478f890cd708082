/* mincore(2), ERRORS ENOMEM: the range contained unmapped memory. */
#include "../suite.h"

TEST {
    byte vec[1];
    fails(mincore(hole(page), page, vec), ENOMEM);
}
