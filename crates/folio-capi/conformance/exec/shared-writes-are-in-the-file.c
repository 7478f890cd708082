/* POSIX exec and mmap(): that a mapping goes does not lose what was written through it. */
#include "../suite.h"

TEST {
    if (after_exec()) {
        holds(byte_in_file(atoi(after_exec()), 0) == 0xee);
        return;
    }
    char number[16];
    int fd = file(page);
    poke(shared(fd, page), 0xee);
    snprintf(number, sizeof number, "%d", fd);
    exec_self(number);
}
