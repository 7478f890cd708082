/*
 * A file edited in place through a shared mapping.
 *
 * read_write [FILE POSITION TEXT] writes TEXT over the bytes at POSITION; without arguments, into a
 * file of its own that it deletes again.
 */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <fcntl.h>
#include <folio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *path)
{
    fprintf(stderr, "read_write: ");
    perror(path);
    return 1;
}

static int fault_met(const struct folio_fault *fault)
{
    char message[512];
    folio_fault_message(fault, message, sizeof message);
    fprintf(stderr, "read_write: %s\n", message);
    return 1;
}

static int edit(const char *path, size_t position, const char *text)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat file;
    if (fd < 0 || fstat(fd, &file) != 0)
        return fail(path);
    size_t len = (size_t)file.st_size, wanted = strlen(text);
    if (position > len || wanted > len - position) {
        fprintf(stderr, "read_write: %s has %zu bytes, too few for %zu at %zu\n", path, len, wanted,
                position);
        return 1;
    }
    if (wanted == 0)
        return 0;
    char *map = folio_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *before = malloc(wanted), *after = malloc(wanted);
    if (map == MAP_FAILED || before == NULL || after == NULL)
        return fail(path);

    struct folio_fault fault;
    if (folio_read(before, map + position, wanted, &fault) < (ssize_t)wanted ||
        folio_write(map + position, text, wanted, &fault) < (ssize_t)wanted)
        return fault_met(&fault);
    if (folio_msync(map, len, MS_SYNC) != 0)
        return fail(path);

    /* What read(2) sees is what was written to memory. */
    if (pread(fd, after, wanted, (off_t)position) != (ssize_t)wanted)
        return fail(path);
    printf("%s, position %zu, %zu bytes:\n", path, position, wanted);
    printf("  before  \"%.*s\"\n", (int)wanted, before);
    printf("  after   \"%.*s\"\n", (int)wanted, after);
    free(before);
    free(after);
    close(fd);
    return folio_munmap(map, len) == 0 ? 0 : fail(path);
}

int main(int count, char **words)
{
    if (count == 4) {
        char *end;
        errno = 0;
        unsigned long long position = strtoull(words[2], &end, 10);
        if (errno != 0 || *end != '\0' || end == words[2] || words[2][0] == '-') {
            fprintf(stderr, "read_write: POSITION is a number, and '%s' is none\n", words[2]);
            return 1;
        }
        return edit(words[1], (size_t)position, words[3]);
    }
    if (count != 1) {
        fprintf(stderr, "read_write: usage: read_write [FILE POSITION TEXT]\n");
        return 1;
    }
    const char *directory = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/read_write-XXXXXX", directory != NULL ? directory : "/tmp");
    static const char text[] = "The slow brown fox jumps over the lazy dog.\n";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text, sizeof text - 1) != (ssize_t)sizeof text - 1)
        return fail(path);
    close(fd);
    int result = edit(path, 4, "fast");
    unlink(path);
    return result;
}
