/* POSIX mmap(), DESCRIPTION: the system shall always zero-fill any partial page at the object's end. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(100), 0);
    holds(all(p + 100, 0, page - 100));
}
