/*
 * Two mappings and a child process: which of its changes the parent sees.
 */
#define _DEFAULT_SOURCE
#include <folio.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "fork_shared_private: ");
    perror(what);
    return 1;
}

int main(void)
{
    char *shared = folio_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *private = folio_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || private == MAP_FAILED)
        return fail("mmap");
    strcpy(shared, "parent");
    strcpy(private, "parent");

    pid_t child = fork();
    if (child < 0)
        return fail("fork");
    if (child == 0) {
        strcpy(shared, "child!");
        strcpy(private, "child!");
        _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        return fail("child");

    printf("The child wrote \"child!\" to both mappings. The parent reads\n");
    printf("  shared   \"%s\"\n", shared);
    printf("  private  \"%s\"\n", private);
    if (folio_munmap(shared, 4096) != 0 || folio_munmap(private, 4096) != 0)
        return fail("munmap");
    return 0;
}
