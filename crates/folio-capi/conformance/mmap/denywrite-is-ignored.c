/* mmap(2), MAP_DENYWRITE: this flag is ignored; so there is no ETXTBSY for a file open for writing. */
#include "../suite.h"

TEST {
    works(mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_DENYWRITE, file(page), 0));
}
