/* mmap(2), MAP_FIXED_NOREPLACE: a range that collides with a mapping fails with EEXIST. */
#include "../suite.h"

TEST {
    byte *at = anonymous(2 * page);
    fails(mmap(at + page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
}
