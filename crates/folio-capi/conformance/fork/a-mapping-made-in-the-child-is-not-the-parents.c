/* POSIX fork(): address spaces are apart. */
#include "../suite.h"

TEST {
    byte *at = hole(page);
    child(must(mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file(page), 0) == at));
    holds(!is_mapped(at));
}
