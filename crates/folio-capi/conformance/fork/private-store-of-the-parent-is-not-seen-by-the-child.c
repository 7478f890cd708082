/* POSIX fork(), DESCRIPTION: changes the parent makes to MAP_PRIVATE pages after the fork are visible
 * only to it. */
#include "../suite.h"

TEST {
    byte *p = must_map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file(page), 0);
    poke(p, 0xaa);
    struct gate stored = gate();
    pid_t child = fork();
    must(child != -1);
    if (child == 0) {
        wait_at(stored);
        holds(peek(p) == 0xaa);
        _exit(0);
    }
    poke(p, 0xee);
    open_gate(stored);
    must_end_well(child);
}
