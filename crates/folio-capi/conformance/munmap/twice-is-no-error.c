/* mmap(2), munmap(): it is not an error if the range contains no mapped pages. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page);
    must(munmap(p, page) == 0);
    works(munmap(p, page));
}
