/* mincore(2), ERRORS EFAULT: vec cannot be written. */
#include "../suite.h"

TEST {
    byte *p = anonymous(page), *vec = must_map(page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fails(mincore(p, page, vec), EFAULT);
}
