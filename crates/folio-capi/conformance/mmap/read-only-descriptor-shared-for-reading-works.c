/* POSIX mmap(), DESCRIPTION: for PROT_READ a descriptor open for read is enough. */
#include "../suite.h"

TEST {
    works(mmap(NULL, page, PROT_READ, MAP_SHARED, reopen(file(page), O_RDONLY), 0));
}
