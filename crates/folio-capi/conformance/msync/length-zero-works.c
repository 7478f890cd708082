/* msync(2): of no bytes there is nothing to write; Linux returns 0. */
#include "../suite.h"

TEST {
    works(msync(shared(file(page), page), 0, MS_SYNC));
}
