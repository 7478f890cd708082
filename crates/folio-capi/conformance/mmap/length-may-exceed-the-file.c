/* POSIX mmap(), DESCRIPTION: only references beyond the file's end are errors, not the mapping. */
#include "../suite.h"

TEST {
    works(mmap(NULL, 16 * page, PROT_READ, MAP_SHARED, file(page), 0));
}
