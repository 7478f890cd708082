/* POSIX mmap(), DESCRIPTION, MAP_FIXED: the value of pa shall be exactly `addr`. */
#include "../suite.h"

TEST {
    byte *at = room(4 * page) + page;
    holds(mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED, file(page), 0) == at);
}
