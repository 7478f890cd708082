/* madvise(2), MADV_DONTNEED: the next access repopulates from the file; what was modified is gone. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file(page), 0);
    memset(p, 0xee, page);
    must(madvise(p, page, MADV_DONTNEED) == 0);
    holds(shows(p, 0, page));
}
