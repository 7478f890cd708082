/*
 * Shared memory between two programs: the one that writes. Needs a shm_reader beside it.
 *
 * shm_writer NAME WORD... creates the shared-memory object NAME ("/something"), sends each word, and
 * removes the name once all were read.
 */
#define _XOPEN_SOURCE 700
#include "shm_mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <folio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "shm_writer: ");
    perror(what);
    return 1;
}

static int wait_for(sem_t *semaphore)
{
    int result;
    while ((result = sem_wait(semaphore)) != 0 && errno == EINTR)
        continue;
    return result;
}

int main(int count, char **words)
{
    if (count < 2) {
        fprintf(stderr, "shm_writer: usage: shm_writer NAME WORD...\n");
        return 1;
    }
    const char *name = words[1];
    int fd = folio_shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return fail(name);
    struct mailbox *box = MAP_FAILED;
    if (ftruncate(fd, sizeof *box) == 0)
        box = folio_mmap(NULL, sizeof *box, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    /* A full /dev/shm is an error of madvise(2) here, not a signal at the first write. */
    if (box == MAP_FAILED || folio_madvise(box, sizeof *box, 23 /* MADV_POPULATE_WRITE */) != 0 ||
        sem_init(&box->ready, 1, 0) != 0 || sem_init(&box->taken, 1, 1) != 0) {
        folio_shm_unlink(name);
        return fail(name);
    }
    atomic_store(&box->open, 1);
    /* One more, empty, ends it. */
    for (int i = 2; i <= count; i++) {
        if (wait_for(&box->taken) != 0)
            return fail(name);
        snprintf(box->text, sizeof box->text, "%s", i < count ? words[i] : "");
        sem_post(&box->ready);
    }
    if (wait_for(&box->taken) != 0 || folio_shm_unlink(name) != 0)
        return fail(name);
    printf("%d sent\n", count - 2);
    close(fd);
    return folio_munmap(box, sizeof *box) == 0 ? 0 : fail(name);
}
