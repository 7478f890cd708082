/* POSIX unlink(), DESCRIPTION, and mmap(): the contents stay while the file is referred to. */
#include "../suite.h"

TEST {
    const char *folder = getenv("TMPDIR");
    char name[4096];
    snprintf(name, sizeof name, "%s/suite-XXXXXX", folder ? folder : "/var/tmp");
    int fd = mkstemp(name);
    must(fd != -1);
    fill(fd, page);
    byte *p = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    must(unlink(name) == 0 && close(fd) == 0);
    holds(p != MAP_FAILED && shows(p, 0, page));
}
