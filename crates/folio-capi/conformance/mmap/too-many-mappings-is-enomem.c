/* mmap(2), ERRORS ENOMEM: the process's maximum number of mappings would be exceeded. */
#include "../suite.h"

TEST {
    long most = most_mappings();
    int prot = PROT_READ;
    void *p = NULL;
    errno = 0;
    for (long i = 0; i <= most + 1 && p != MAP_FAILED; i++, prot ^= PROT_READ)
        p = mmap(NULL, page, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    holds(p == MAP_FAILED && errno == ENOMEM);
}
