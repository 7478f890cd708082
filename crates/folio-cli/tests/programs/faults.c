// Takes page faults that are known beforehand: WHERE touches COUNT pages of FILE, and prints how many
// page faults getrusage(2) saw meanwhile, or how many system calls were refused. Pages lie 16 apart, so that none is mapped along with another.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define APART (16 * 4096L)

static volatile char *pages;
static long count;

static long faults(int who) {
    struct rusage usage;
    getrusage(who, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

// gcc leaves out the frame of a function that calls nothing, whatever it is told, unless it is asked for.
__attribute__((noinline)) static void touch_page(long page) {
    void *volatile frame = __builtin_frame_address(0);
    pages[page * APART] = frame != NULL;
}

__attribute__((noinline)) static void touch_pages(void) {
    for (long page = 0; page < count; page++)
        touch_page(page);
}

static void *in_thread(void *nothing) {
    touch_pages();
    return nothing;
}

static void allow(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    char *page = (char *)((long)info->si_addr & -4096L);
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

// System calls that are to write into pages which may not be written.
static long refused(void) {
    int zeros = open("/dev/zero", O_RDONLY);
    long calls = 0;
    for (long page = 0; page < count; page++)
        calls += read(zeros, (char *)pages + page * APART, 1) < 0 && errno == EFAULT;
    return calls;
}

// A burst of page faults, then work without any, for as many rounds.
static void paced(long rounds, long work) {
    volatile unsigned long sum = 0;
    for (long round = 0; round < rounds; round++) {
        pages[round % count * 4096] = 1;
        for (long step = 0; step < work; step++)
            sum += (unsigned long)step;
        if (round % count == count - 1)
            madvise((void *)pages, (size_t)count * 4096, MADV_DONTNEED);
    }
}

int main(int words, char **word) {
    if (words < 4)
        return 2;
    const char *where = word[1], *file = word[2];
    count = atol(word[3]);
    size_t length = (size_t)(count * APART);
    int fd = strcmp(file, "-") ? open(file, O_RDONLY) : -1;
    int flags = MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0);
    int protection = strcmp(where, "signal") ? PROT_READ | PROT_WRITE : PROT_NONE;
    if (!strcmp(where, "refused"))
        protection = PROT_READ;
    pages = mmap(NULL, length, protection, flags, fd, 0);
    if (pages == MAP_FAILED)
        return 3;
    madvise((void *)pages, length, MADV_NOHUGEPAGE);
    printf("ready\n");
    fflush(stdout);
    if (words > 4 && !strcmp(word[4], "wait"))
        getchar();

    if (!strcmp(where, "refused")) {
        printf("%ld\n", refused());
        return 0;
    }
    long before = faults(RUSAGE_SELF);
    if (!strcmp(where, "here") || !strcmp(where, "signal")) {
        struct sigaction action = {.sa_sigaction = allow, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, NULL);
        touch_pages();
    } else if (!strcmp(where, "thread")) {
        pthread_t thread;
        pthread_create(&thread, NULL, in_thread, NULL);
        pthread_join(thread, NULL);
    } else if (!strcmp(where, "child")) {
        if (!fork()) {
            touch_pages();
            _exit(0);
        }
        wait(NULL);
        before = faults(RUSAGE_SELF) - faults(RUSAGE_CHILDREN);
    } else if (!strcmp(where, "paced") && words > 5) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        paced(atol(word[4]), atol(word[5]));
        clock_gettime(CLOCK_MONOTONIC, &end);
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        printf("%ld %ld\n",
               (end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000,
               (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000
                   + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
        return 0;
    }
    printf("%ld\n", faults(RUSAGE_SELF) - before);
    return 0;
}
