/* mmap(2), MAP_SHARED_VALIDATE: mappings with MAP_SHARED ignore unknown flags. */
#include "../suite.h"

TEST {
    works(mmap(NULL, page, PROT_READ, MAP_SHARED | 0x1000000, file(page), 0));
}
