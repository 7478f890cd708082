/* write(2): the buffer is memory like any other. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0), got[100];
    int to = empty_file();
    must_write(to, p, 100, 0);
    holds(pread(to, got, 100, 0) == 100 && shows(got, 0, 100));
}
