/* read(2): the buffer is memory like any other; what is read into a shared mapping is in its file. */
#include "../suite.h"

TEST {
    int from = file(page), to = empty_file();
    must(ftruncate(to, page) == 0);
    byte *p = shared(to, page), got[100];
    must(pread(from, p, page, 0) == (ssize_t)page);
    holds(pread(to, got, 100, 0) == 100 && shows(got, 0, 100));
}
