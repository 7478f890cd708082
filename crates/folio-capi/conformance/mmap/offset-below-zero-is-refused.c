/* POSIX mmap(), ERRORS [EINVAL], [ENXIO], [EOVERFLOW]: addresses of the range are not valid for the file. */
#include "../suite.h"

TEST {
    errno = 0;
    void *p = mmap(NULL, page, PROT_READ, MAP_SHARED, file(page), -(off_t)page);
    holds(p == MAP_FAILED && (errno == EINVAL || errno == ENXIO || errno == EOVERFLOW));
}
