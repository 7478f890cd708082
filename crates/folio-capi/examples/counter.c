/*
 * A number in a file, counted up through a mapping. It is still there at the next run.
 *
 * counter [FILE]; without a file, one of yours in the directory for temporary files, which stays.
 * Several may run at once: none is lost.
 */
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <folio.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *path)
{
    fprintf(stderr, "counter: ");
    perror(path);
    return 1;
}

int main(int count, char **words)
{
    char own[4096];
    const char *path = count > 1 ? words[1] : own;
    const char *directory = getenv("TMPDIR");
    snprintf(own, sizeof own, "%s/folio-counter-%u", directory != NULL ? directory : "/tmp",
             (unsigned)getuid());

    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct stat file;
    if (fd < 0 || fstat(fd, &file) != 0 || (file.st_size < 8 && ftruncate(fd, 8) != 0))
        return fail(path);
    _Atomic uint64_t *number = folio_mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (number == MAP_FAILED)
        return fail(path);

    /* Should the file be cut or the disk be full, this counts zeros up, and msync tells. */
    if (folio_guard((void *)number, 8, FOLIO_ZEROS) != 0)
        return fail(path);
    uint64_t was = atomic_fetch_add(number, 1);
    if (folio_msync((void *)number, 8, MS_SYNC) != 0) {
        struct folio_fault fault;
        if (folio_check((void *)number, 8, &fault) != 1)
            return fail(path);
        char message[512];
        folio_fault_message(&fault, message, sizeof message);
        fprintf(stderr, "counter: %s\n", message);
        return 1;
    }

    printf("%s: %" PRIu64 " -> %" PRIu64 "\n", path, was, was + 1);
    printf("run it again: the number stays, until you delete the file\n");
    close(fd);
    return folio_munmap((void *)number, 8) == 0 ? 0 : fail(path);
}
