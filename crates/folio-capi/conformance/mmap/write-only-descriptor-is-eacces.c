/* POSIX mmap(), ERRORS [EACCES]: the descriptor is not open for read, whatever the protection. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_WRITE, MAP_SHARED, reopen(file(page), O_WRONLY), 0), EACCES);
}
