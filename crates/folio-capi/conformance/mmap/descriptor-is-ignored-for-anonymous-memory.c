/* mmap(2), MAP_ANONYMOUS: the fd argument is ignored. */
#include "../suite.h"

TEST {
    works(mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 987654, 0));
}
