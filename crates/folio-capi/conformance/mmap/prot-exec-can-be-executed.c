/* POSIX mmap(), DESCRIPTION: PROT_EXEC: data can be executed. */
#include "../suite.h"

TEST {
#ifdef __x86_64__
    static const byte code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
    int fd = file(page);
    must_write(fd, code, sizeof code, 0);
    void *p = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    needs(p != MAP_FAILED || errno != EPERM, "a TMPDIR not mounted no-exec");
    int (*run)(void);
    memcpy(&run, &p, sizeof run);
    holds(run() == 42);
#else
    needs(0, "machine code for this processor");
#endif
}
