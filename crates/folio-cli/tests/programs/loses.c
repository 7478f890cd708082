/* Maps a file, cuts it, reads what is lost, and prints the sum. The second argument says how:
   raw      mapped by the system call itself
   fork     in a child too
   blocked  in a thread that has every signal blocked, and before by main
   masked   in the handler of a signal whose mask has every signal
   handler  with a handler of its own for SIGBUS
   writes   and once more after writing by pwrite what was lost
   syncs    and what msync says, there and of the mappings that come after it
   grows    and once more where a longer mapping has been moved to */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEN = 3 * 4096 };
static const unsigned char *bytes;

static long sum(void)
{
    long sum = 0;
    for (int i = 0; i < LEN; i++)
        sum += ((volatile const unsigned char *)bytes)[i];
    return sum;
}

static void *blocked(void *result)
{
    sigset_t all, now;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, NULL) != 0)
        exit(3);
    *(long *)result = sum();
    /* The thread sees what it asked for. */
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    if (!sigismember(&now, SIGBUS) || !sigismember(&now, SIGUSR1))
        exit(4);
    return NULL;
}

static volatile long in_handler;

static void on_user(int signal)
{
    (void)signal;
    in_handler = sum();
}

static void on_bus(int signal, siginfo_t *info, void *context)
{
    (void)context;
    char line[64];
    int n = snprintf(line, sizeof line, "handler %d %d\n", signal, info->si_code == SI_USER);
    if (write(1, line, n) != n)
        _exit(5);
    if (info->si_code != SI_USER)
        _exit(6);
}

int main(int argc, char **argv)
{
    const char *way = argc > 2 ? argv[2] : "";
    int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
    unsigned char page[4096];
    memset(page, 1, sizeof page);
    for (int i = 0; i < LEN / 4096; i++)
        if (write(fd, page, sizeof page) != sizeof page)
            return 2;
    if (strcmp(way, "raw") == 0)
        bytes = (void *)syscall(SYS_mmap, NULL, LEN, PROT_READ, MAP_SHARED, fd, 0L);
    else
        bytes = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED || ftruncate(fd, 4096) != 0)
        return 2;

    long result = -1;
    if (strcmp(way, "blocked") == 0) {
        pthread_t thread;
        sigset_t all, none;
        sigfillset(&all);
        if (sigprocmask(SIG_BLOCK, &all, &none) != 0)
            return 3;
        printf("%ld\n", sum());
        munmap((void *)bytes, LEN);
        bytes = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0);
        sigprocmask(SIG_SETMASK, &none, NULL);
        pthread_create(&thread, NULL, blocked, &result);
        pthread_join(thread, NULL);
    } else if (strcmp(way, "fork") == 0) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            printf("%ld\n", sum());
            exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) {
            signal(WTERMSIG(status), SIG_DFL);
            raise(WTERMSIG(status));
        }
        result = sum();
    } else if (strcmp(way, "masked") == 0) {
        struct sigaction action = {.sa_handler = on_user}, now;
        sigfillset(&action.sa_mask);
        if (sigaction(SIGUSR1, &action, NULL) != 0 || sigaction(SIGUSR1, NULL, &now) != 0)
            return 3;
        if (now.sa_handler != on_user || !sigismember(&now.sa_mask, SIGBUS))
            return 4;
        raise(SIGUSR1);
        result = in_handler;
    } else if (strcmp(way, "handler") == 0) {
        struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO}, now;
        sigemptyset(&action.sa_mask);
        sigaddset(&action.sa_mask, SIGUSR2);
        if (sigaction(SIGBUS, &action, NULL) != 0 || sigaction(SIGBUS, NULL, &now) != 0)
            return 3;
        if (now.sa_sigaction != on_bus || !(now.sa_flags & SA_SIGINFO) ||
            !sigismember(&now.sa_mask, SIGUSR2))
            return 4;
        kill(getpid(), SIGBUS);
        result = sum();
    } else if (strcmp(way, "writes") == 0) {
        printf("%ld\n", sum());
        if (pwrite(fd, page, sizeof page, LEN - 4096) != sizeof page)
            return 3;
        result = sum();
    } else if (strcmp(way, "syncs") == 0) {
        result = sum();
        int first = msync((void *)bytes, 4096, MS_SYNC) == 0 ? 0 : errno;
        int all = msync((void *)bytes, LEN, MS_SYNC) == 0 ? 0 : errno;
        printf("%s, %s\n", strerror(first), strerror(all));
        void *other = mmap((void *)bytes, LEN, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
        printf("%d", other == bytes ? msync(other, LEN, MS_SYNC) : -2);
        /* Another one at the same place, after one of the two calls that nobody saw. */
        sum();
        munmap(other, LEN);
        syscall(SYS_mmap, bytes, LEN, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0L);
        printf(" %d", msync(other, LEN, MS_SYNC));
        sum();
        syscall(SYS_munmap, bytes, LEN);
        other = mmap((void *)bytes, LEN, PROT_READ, MAP_SHARED, fd, 0);
        printf(" %d\n", other == bytes ? msync(other, LEN, MS_SYNC) : -2);
    } else if (strcmp(way, "grows") == 0) {
        printf("%ld\n", sum());
        if (ftruncate(fd, LEN) != 0)
            return 3;
        bytes = mremap((void *)bytes, LEN, 1 << 20, MREMAP_MAYMOVE);
        if (bytes == MAP_FAILED)
            return 4;
        result = sum();
    } else {
        result = sum();
    }
    printf("%ld\n", result);
    return 0;
}
