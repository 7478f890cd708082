/* POSIX mmap(), DESCRIPTION and ERRORS: an object of no length is no error of the call. */
#include "../suite.h"

TEST {
    works(mmap(NULL, page, PROT_READ, MAP_SHARED, empty_file(), 0));
}
