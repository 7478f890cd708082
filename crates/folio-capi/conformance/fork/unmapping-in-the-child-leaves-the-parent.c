/* POSIX fork() and munmap(): the child's address space is its own. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    child(must(munmap(p, page) == 0));
    holds(shows(p, 0, page));
}
