/* POSIX exec, DESCRIPTION: mappings of the process are unmapped before the new address space is built. */
#include "../suite.h"

TEST {
    byte *at = (byte *)0x123456000000;
    if (after_exec()) {
        holds(!is_mapped(at));
        return;
    }
    void *p = mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file(page), 0);
    needs(p == at, "a hole at a certain address");
    exec_self("again");
}
