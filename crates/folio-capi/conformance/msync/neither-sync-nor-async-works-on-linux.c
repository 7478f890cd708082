/* msync(2), NOTES: Linux permits a call with neither flag, which is like MS_ASYNC. */
#include "../suite.h"

TEST {
    works(msync(shared(file(page), page), page, 0));
}
