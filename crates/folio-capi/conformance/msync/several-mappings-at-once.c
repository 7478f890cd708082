/* POSIX msync(), DESCRIPTION: all pages of the range, of one mapping or more. */
#include "../suite.h"

TEST {
    int a = clean_file(page), b = clean_file(page);
    byte *at = room(2 * page);
    must(mmap(at, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, a, 0) == at);
    must(mmap(at + page, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, b, 0) == at + page);
    poke(at, 0xee);
    poke(at + page, 0xee);
    needs(dirty_pages(a, 0, 0) > 0 && dirty_pages(b, 0, 0) > 0, "a kernel that lets written pages wait");
    must(msync(at, 2 * page, MS_SYNC) == 0);
    holds(dirty_pages(a, 0, 0) == 0 && dirty_pages(b, 0, 0) == 0);
}
