/* POSIX mmap(), ERRORS [ENODEV]: the type of file is not supported by mmap(). */
#include "../suite.h"

TEST {
    struct gate g = gate();
    fails(mmap(NULL, page, PROT_READ, MAP_PRIVATE, g.ends[0], 0), ENODEV);
}
