/* POSIX fork() and munmap(): the child's address space is its own. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    struct gate gone = gate();
    pid_t child = fork();
    must(child != -1);
    if (child == 0) {
        wait_at(gone);
        holds(shows(p, 0, page));
        _exit(0);
    }
    must(munmap(p, page) == 0);
    open_gate(gone);
    must_end_well(child);
}
