/* POSIX mmap(), ERRORS [EACCES]: the descriptor is not open for read, whatever the sharing. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ, MAP_PRIVATE, reopen(file(page), O_WRONLY), 0), EACCES);
}
