/* POSIX fork(), DESCRIPTION: the child has the contents of the moment of the fork. */
#include "../suite.h"

TEST {
    byte *p = anonymous(3 * page);
    memset(p, 0xaa, 3 * page);
    child(holds(all(p, 0xaa, 3 * page)));
}
