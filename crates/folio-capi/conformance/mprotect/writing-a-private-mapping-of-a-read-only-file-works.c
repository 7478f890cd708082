/* POSIX mprotect() and mmap() MAP_PRIVATE: writing such a mapping needs no right to write the file. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_PRIVATE, reopen(file(page), O_RDONLY), 0);
    works(mprotect(p, page, PROT_READ | PROT_WRITE));
}
