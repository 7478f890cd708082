/* POSIX munmap(), DESCRIPTION: it removes the mappings of all pages that contain any part of the range. */
#include "../suite.h"

TEST {
    byte *p = anonymous(5 * page);
    must(munmap(p, 5 * page) == 0);
    int left = 0;
    for (int i = 0; i < 5; i++) left += is_mapped(p + i * page);
    holds(left == 0);
}
