/* POSIX mprotect(), ERRORS [EACCES]: prot violates the access permission to the memory object. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, reopen(file(page), O_RDONLY), 0);
    fails(mprotect(p, page, PROT_READ | PROT_WRITE), EACCES);
}
