/* Prints all that the C library's functions about signals say of SIGBUS, for a comparison. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wrestrict"

#define BIT(signal) (1 << ((signal) - 1))

static volatile sig_atomic_t count, code, masked;

static void simple(int signal)
{
    sigset_t now;
    count += signal;
    sigprocmask(SIG_BLOCK, NULL, &now);
    masked = sigismember(&now, SIGBUS) | sigismember(&now, SIGUSR1) << 1;
}

static void with_info(int signal, siginfo_t *info, void *context)
{
    simple(signal);
    code = info->si_code + (context != NULL);
}

static const char *name(void *handler)
{
    return handler == (void *)SIG_DFL ? "default" : handler == (void *)SIG_IGN ? "ignore"
        : handler == (void *)SIG_ERR ? "error" : handler == (void *)simple ? "simple"
        : handler == (void *)with_info ? "with_info" : handler == (void *)2 ? "hold" : "other";
}

static void mask(const char *what, const sigset_t *set)
{
    printf("%s", what);
    for (int signal = 1; signal < 65; signal++)
        if (sigismember(set, signal) == 1)
            printf(" %d", signal);
    printf("\n");
}

static void say(const char *what)
{
    struct sigaction now;
    memset(&now, 0xff, sizeof now);
    int result = sigaction(SIGBUS, NULL, &now);
    printf("%s: %d %s %#x", what, result, name((void *)now.sa_sigaction), (unsigned)now.sa_flags);
    mask("", &now.sa_mask);
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    mask("  blocked", &set);
    printf("  count %d code %d masked %d\n", (int)count, (int)code, (int)masked);
    count = code = masked = 0;
}

static void set(int signal, void *handler, int flags, int first, int second)
{
    struct sigaction new = {.sa_sigaction = handler, .sa_flags = flags}, old;
    sigemptyset(&new.sa_mask);
    if (first) sigaddset(&new.sa_mask, first);
    if (second) sigaddset(&new.sa_mask, second);
    int result = sigaction(signal, &new, &old);
    printf("set %d: %d, was %s %#x", signal, result, name((void *)old.sa_sigaction),
           (unsigned)old.sa_flags);
    mask("", &old.sa_mask);
}

static void *thread(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    printf("thread %d\n", pthread_sigmask(SIG_BLOCK, &all, &all));
    mask("  was", &all);
    pthread_sigmask(SIG_SETMASK, NULL, &all);
    mask("  is", &all);
    return unused;
}

static void cleans(void *what)
{
    printf("cleans up %s\n", (const char *)what);
}

/* Waits until it is cancelled, in a pipe that nobody reads. */
static void *writes(void *pipe)
{
    char bytes[4096] = {0};
    pthread_cleanup_push(cleans, "after write");
    while (write(((int *)pipe)[1], bytes, sizeof bytes) > 0)
        ;
    pthread_cleanup_pop(0);
    return NULL;
}

/* Is cancelled when it comes to a point where that may be. */
static void *syncs(void *page)
{
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cleanup_push(cleans, "after msync");
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    msync(page, 4096, MS_SYNC);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    sigset_t one, old;
    say("start");
    set(SIGBUS, simple, 0, SIGUSR1, SIGBUS);
    raise(SIGBUS);
    say("a handler");
    set(SIGBUS, with_info, SA_SIGINFO | SA_RESTART | SA_NODEFER | SA_ONSTACK, 0, SIGKILL);
    raise(SIGBUS);
    say("with information");
    set(SIGBUS, with_info, SA_SIGINFO | SA_RESETHAND | 0x400, SIGHUP, SIGSTOP);
    raise(SIGBUS);
    say("once");
    printf("%s\n", name(signal(SIGBUS, simple)));
    say("signal");
    raise(SIGBUS);
    say("raised");
    printf("%d\n", siginterrupt(SIGBUS, 1));
    say("siginterrupt 1");
    printf("%s\n", name(signal(SIGBUS, simple)));
    say("signal again");
    printf("%d\n", siginterrupt(SIGBUS, 0));
    say("siginterrupt 0");
    printf("%s\n", name(ssignal(SIGBUS, SIG_IGN)));
    raise(SIGBUS);
    say("ignored");
    printf("%s\n", name(sysv_signal(SIGBUS, simple)));
    say("System V");
    raise(SIGBUS);
    say("is over");
    errno = 0;
    printf("%s", name(signal(SIGBUS, SIG_ERR)));
    printf(" %d\n", errno);
    printf("%s\n", name(sigset(SIGBUS, simple)));
    say("sigset");
    printf("%s\n", name(sigset(SIGBUS, SIG_HOLD)));
    say("held");
    printf("%s\n", name(sigset(SIGBUS, SIG_HOLD)));
    printf("%s\n", name(sigset(SIGBUS, simple)));
    say("sigset again");
    printf("%d\n", sighold(SIGBUS));
    say("sighold");
    printf("%d\n", sigrelse(SIGBUS));
    say("sigrelse");
    printf("%d\n", sigignore(SIGBUS));
    say("sigignore");
    printf("%#x\n", (unsigned)sigblock(BIT(SIGBUS) | BIT(SIGUSR2)));
    say("sigblock");
    printf("%#x\n", (unsigned)sigsetmask(BIT(SIGHUP)));
    printf("%#x\n", (unsigned)sigsetmask(0));
    say("sigsetmask");

    sigemptyset(&one);
    sigaddset(&one, SIGBUS);
    printf("%d\n", sigprocmask(SIG_BLOCK, &one, &old));
    mask("was", &old);
    sigaddset(&one, SIGUSR1);
    printf("%d\n", sigprocmask(SIG_BLOCK, &one, &old));
    mask("was", &old);
    printf("%d", sigprocmask(77, &one, &old));
    printf(" %d\n", errno);
    printf("%d\n", pthread_sigmask(77, &one, &old));
    printf("%d\n", sigprocmask(77, NULL, NULL));
    say("blocked twice");
    sigdelset(&one, SIGUSR1);
    printf("%d\n", sigprocmask(SIG_UNBLOCK, &one, &one));
    mask("was, in the same place", &one);
    sigemptyset(&one);
    printf("%d\n", sigprocmask(SIG_SETMASK, &one, NULL));
    say("none");
    pthread_t id;
    pthread_create(&id, NULL, thread, NULL);
    pthread_join(id, NULL);

    /* Of another signal, with SIGBUS in its mask. */
    set(SIGUSR2, simple, 0, SIGBUS, SIGUSR1);
    set(SIGUSR2, with_info, SA_SIGINFO, 0, 0);
    set(SIGUSR2, simple, 0, SIGUSR1, SIGBUS);
    signal(SIGUSR2, simple);
    set(SIGUSR2, simple, 0, 0, 0);
    set(0, simple, 0, SIGBUS, 0);
    set(65, simple, 0, SIGBUS, 0);
    set(SIGKILL, simple, 0, SIGBUS, 0);

    /* What a child does is not its parent's. */
    set(SIGBUS, simple, 0, 0, 0);
    fflush(stdout);
    for (int way = 0; way < 2; way++) {
        pid_t child = way == 0 ? fork() : vfork();
        if (child == 0) {
            sigset_t all;
            sigfillset(&all);
            signal(SIGBUS, SIG_DFL);
            sigprocmask(SIG_SETMASK, &all, NULL);
            struct sigaction action = {.sa_handler = SIG_IGN};
            sigfillset(&action.sa_mask);
            sigaction(SIGUSR2, &action, NULL);
            struct sigaction now;
            sigaction(SIGBUS, NULL, &now);
            sigemptyset(&all);
            sigprocmask(SIG_SETMASK, &all, &all);
            printf("child %s %d\n", name((void *)now.sa_sigaction), sigismember(&all, SIGBUS));
            kill(getpid(), SIGBUS);
            _exit(1);
        }
        int status;
        waitpid(child, &status, 0);
        printf("status %#x\n", (unsigned)status & 0x7f);
        say("parent");
        set(SIGUSR2, simple, 0, 0, 0);
    }

    pid_t child = vfork();
    if (child == 0) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        sigprocmask(SIG_BLOCK, NULL, &all);
        mask("child", &all);
        _exit(0);
    }
    say("parent");
    printf("%d\n", waitpid(child, NULL, 0) == child);

    /* Mappings. */
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%d %d\n", page != MAP_FAILED, msync(page, 4096, MS_SYNC));

    /* Threads that are cancelled in a call. */
    int ends[2];
    void *result = NULL;
    if (pipe(ends) != 0)
        return 1;
    pthread_create(&id, NULL, writes, ends);
    usleep(20000);
    pthread_cancel(id);
    pthread_join(id, &result);
    printf("%d\n", result == PTHREAD_CANCELED);
    pthread_create(&id, NULL, syncs, page);
    pthread_join(id, &result);
    printf("%d\n", result == PTHREAD_CANCELED);

    printf("%d\n", munmap(page, 4096));
    errno = 0;
    printf("%d", msync(page, 4096, MS_SYNC));
    printf(" %d\n", errno);
    printf("%d", munmap(page + 1, 4096));
    printf(" %d\n", errno);
    signal(SIGBUS, SIG_DFL);
    say("default");
    raise(SIGBUS);
    return 0;
}
