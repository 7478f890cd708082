/* madvise(2), DESCRIPTION: conventional advice does not influence the semantics of the program. */
#include "../suite.h"

TEST {
    byte *p = must_map(4 * page, PROT_READ, MAP_PRIVATE, file(4 * page), 0);
    works(madvise(p, 4 * page, MADV_RANDOM));
    works(madvise(p, 4 * page, MADV_SEQUENTIAL));
    works(madvise(p, 4 * page, MADV_WILLNEED));
    works(madvise(p, 4 * page, MADV_NORMAL));
    holds(shows(p, 0, 4 * page));
}
