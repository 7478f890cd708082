/* Calls that folio's library stands in for, a million times or so, for measuring. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
    sigset_t set;
    sigfillset(&set);
    for (int i = 0; i < 400000; i++) {
        if (strcmp(argv[2], "pwrite") == 0 && pwrite(fd, "x", 1, i % 4096) != 1)
            return 1;
        if (strcmp(argv[2], "mask") == 0 && sigprocmask(i % 2 ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL) != 0)
            return 1;
        if (strcmp(argv[2], "map") == 0) {
            void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
            if (map == MAP_FAILED || munmap(map, 4096) != 0)
                return 1;
        }
    }
    return 0;
}
