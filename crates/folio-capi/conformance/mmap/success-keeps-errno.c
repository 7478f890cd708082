/* errno(3): its value is of use only after a failure; on Linux a call that succeeds leaves it alone,
 * and programs that save it around such calls exist. */
#include "../suite.h"

TEST {
    int fd = file(page);
    keeps_errno(mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0));
}
