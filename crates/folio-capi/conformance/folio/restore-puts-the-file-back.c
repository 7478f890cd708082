/* folio.h, folio_restore: the file's bytes are there again, if they can be had. */
#include "../suite.h"

TEST {
    const char *folder = getenv("TMPDIR");
    char name[4096];
    snprintf(name, sizeof name, "%s/suite-XXXXXX", folder ? folder : "/var/tmp");
    int fd = mkstemp(name);
    must(fd != -1);
    fill(fd, page);
    byte *p = must_map(2 * page, PROT_READ, MAP_SHARED, fd, 0);
    must(folio_guard(p, 2 * page, FOLIO_ZEROS) == 0 && peek(p + page) == 0);
    fill(fd, 2 * page);
    int restored = folio_restore(p, 2 * page, NULL);
    unlink(name);
    holds(restored == 1 && shows(p, 0, 2 * page) && folio_check(p, 2 * page, NULL) == 0);
}
