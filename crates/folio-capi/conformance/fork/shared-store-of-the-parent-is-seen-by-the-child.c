/* POSIX mmap() MAP_SHARED and fork(): both refer to one object. */
#include "../suite.h"

TEST {
    byte *p = shared(file(page), page);
    struct gate stored = gate();
    pid_t child = fork();
    must(child != -1);
    if (child == 0) {
        wait_at(stored);
        holds(peek(p) == 0xee);
        _exit(0);
    }
    poke(p, 0xee);
    open_gate(stored);
    must_end_well(child);
}
