/*
 * Shared memory between two programs: the one that reads. Prints what a shm_writer sends.
 *
 * shm_reader NAME waits up to ten seconds for the shared-memory object NAME to appear.
 */
#define _XOPEN_SOURCE 700
#include "shm_mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <folio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "shm_reader: ");
    perror(what);
    return 1;
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

int main(int count, char **words)
{
    if (count != 2) {
        fprintf(stderr, "shm_reader: usage: shm_reader NAME\n");
        return 1;
    }
    const char *name = words[1];
    struct mailbox *box = MAP_FAILED;
    for (int tries = 0; box == MAP_FAILED && tries < 1000; tries++) {
        int fd = folio_shm_open(name, O_RDWR, 0);
        struct stat object = {0};
        if ((fd < 0 && errno != ENOENT) || (fd >= 0 && fstat(fd, &object) != 0))
            return fail(name);
        if (object.st_size == sizeof *box)
            box = folio_mmap(NULL, sizeof *box, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        else
            pause_a_little();
        if (fd >= 0)
            close(fd);
    }
    if (box == MAP_FAILED)
        return fail(name);
    while (!atomic_load(&box->open))
        pause_a_little();

    for (;;) {
        while (sem_wait(&box->ready) != 0)
            if (errno != EINTR)
                return fail(name);
        char text[sizeof box->text];
        memcpy(text, box->text, sizeof text);
        sem_post(&box->taken);
        if (text[0] == '\0')
            break;
        printf("%s\n", text);
    }
    return folio_munmap(box, sizeof *box) == 0 ? 0 : fail(name);
}
