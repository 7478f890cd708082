/*
 * A file that is cut while a program reads it. Without folio, the program dies of SIGBUS.
 *
 * survive [BYTES]: writes a file of that many bytes (1 MiB unless given), maps it, cuts it to half,
 * and counts its lines.
 */
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <folio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "survive: ");
    perror(what);
    return 1;
}

int main(int count, char **words)
{
    size_t len = count > 1 ? strtoull(words[1], NULL, 10) : 1 << 20;
    const char *directory = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/folio-survive-XXXXXX", directory != NULL ? directory : "/tmp");
    int fd = mkstemp(path);
    char *lines = malloc(len);
    if (fd < 0 || lines == NULL)
        return fail(path);
    memset(lines, '\n', len);
    if (write(fd, lines, len) != (ssize_t)len) {
        unlink(path);
        return fail(path);
    }
    free(lines);

    char *map = folio_mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    int mapped = map != MAP_FAILED && folio_guard(map, len, FOLIO_ZEROS) == 0;
    int cut = ftruncate(fd, (off_t)(len / 2));
    if (!mapped || cut != 0) {
        unlink(path);
        return fail(path);
    }

    /* Code that knows nothing of folio. */
    size_t found = 0;
    for (size_t i = 0; i < len; i++)
        found += map[i] == '\n';

    struct folio_fault fault;
    int lost = folio_check(map, len, &fault);
    printf("%zu lines, %s\n", found, lost == 1 ? "but not of the whole file" : "of the whole file");
    if (lost == 1) {
        char message[512];
        folio_fault_message(&fault, message, sizeof message);
        printf("%s\n", message);
    }
    unlink(path);
    close(fd);
    return folio_munmap(map, len) == 0 ? 0 : fail(path);
}
