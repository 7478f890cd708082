/* POSIX mlock(), ERRORS [EAGAIN], [ENOMEM]: some of the memory could not be locked when the call was
 * made: here a page beyond the file's end. */
#include "../suite.h"

TEST {
    needs_lockable(2 * page);
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, file(page), 0);
    errno = 0;
    int result = mlock(p, 2 * page);
    holds(result == -1 && (errno == EAGAIN || errno == ENOMEM));
}
