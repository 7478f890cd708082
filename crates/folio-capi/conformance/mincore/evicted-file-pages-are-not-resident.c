/* mincore(2), DESCRIPTION: not resident: a reference would cause a disk access. */
#include "../suite.h"

TEST {
    byte vec[64];
    int fd = clean_file(64 * page), there = 64;
    byte *p = must_map(64 * page, PROT_READ, MAP_SHARED, fd, 0);
    for (int tries = 0; tries < 100 && there; tries++) {
        must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
        there = 0;
        for (int i = 0; i < 64; i++) there += is_resident(p + i * page);
    }
    needs(there == 0, "a file system that lets its pages go");
    must(mincore(p, 64 * page, vec) == 0);
    for (int i = 0; i < 64; i++) there += vec[i] & 1;
    holds(there == 0);
}
