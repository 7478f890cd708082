/* POSIX mmap(), ERRORS [EACCES]: not open for write, and PROT_WRITE is asked for with MAP_SHARED. */
#include "../suite.h"

TEST {
    fails(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, reopen(file(page), O_RDONLY), 0), EACCES);
}
