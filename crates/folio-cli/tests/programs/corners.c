/* Does what few programs do, and prints what came of it. The lost page is found by `lose`. */
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
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static const char *file;
static int fd;

static void check(int ok, const char *what)
{
    if (!ok) {
        printf("%s: %s\n", what, strerror(errno));
        exit(9);
    }
}

/* The file's pages at an address, if one is given. */
static char *map(char *at, int pages, int kind)
{
    int fixed = at ? MAP_FIXED : 0;
    char *made = mmap(at, pages * PAGE, PROT_READ | PROT_WRITE, kind | fixed, fd, 0);
    check(made != MAP_FAILED, "mmap");
    return made;
}

static void cut(int pages)
{
    check(ftruncate(fd, pages * PAGE) == 0, "ftruncate");
}

static int touch(const volatile char *at)
{
    return *at;
}

static void *late(void *at)
{
    usleep(100000);
    printf("read %d\n", touch(at));
    exit(0);
}

static void first_thread_ends(void)
{
    pthread_t thread;
    char *pages = map(NULL, 2, MAP_SHARED);
    cut(1);
    pthread_create(&thread, NULL, late, pages + PAGE);
    pthread_exit(NULL);
}

static void remap_nothing(void)
{
    char *pages = map(NULL, 4, MAP_SHARED);
    cut(1);
    for (int page = 1; page < 4; page++)
        touch(pages + page * PAGE);
    mremap(pages + 2 * PAGE, 0, PAGE, MREMAP_MAYMOVE);
    printf("done\n");
}

static void remap_two(void)
{
    char *area = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *lost = map(NULL, 4, MAP_SHARED);
    map(area, 2, MAP_SHARED);
    char *memory = mmap(area + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(memory, "memory");
    cut(3);
    touch(lost + 3 * PAGE);
    munmap(lost, 4 * PAGE);
    char *moved = mremap(area, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
    printf("%s: %s\n", moved == MAP_FAILED ? strerror(errno) : "moved", memory);
}

static void remap_private(void)
{
    char *pages = map(NULL, 3, MAP_PRIVATE);
    cut(1);
    strcpy(pages + PAGE, "written");
    char *moved = mremap(pages, 3 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
    printf("%s: %s\n", moved == MAP_FAILED ? strerror(errno) : "moved", pages + PAGE);
}

static void caught(int signal)
{
    printf("caught %d\n", signal);
}

static void ends_its_thread(int signal)
{
    printf("caught %d\n", signal);
    pthread_exit(NULL);
}

static void *sends_itself_a_signal(void *unused)
{
    (void)unused;
    raise(SIGBUS);
    return NULL;
}

static void thread_ends_in_handler(void)
{
    pthread_t thread;
    signal(SIGBUS, ends_its_thread);
    pthread_create(&thread, NULL, sends_itself_a_signal, NULL);
    pthread_join(thread, NULL);
    printf("done\n");
}

static void vforks(void)
{
    signal(SIGBUS, caught);
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = vfork();
        if (grandchild == 0) {
            signal(SIGBUS, SIG_DFL);
            _exit(0);
        }
        waitpid(grandchild, NULL, 0);
        raise(SIGBUS);
        char *pages = map(NULL, 2, MAP_SHARED);
        cut(1);
        printf("read %d\n", touch(pages + PAGE));
        exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("status %d\n", status);
}

static void unmaps(void)
{
    char *pages = map(NULL, 2, MAP_SHARED), *other = map(NULL, 1, MAP_SHARED);
    cut(1);
    touch(pages + PAGE);
    munmap(other, PAGE);
    printf("done\n");
}

static void has_a_connection_for_stderr(void)
{
    int ends[2];
    char text[200];
    close(2);
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && ends[0] == 2, "socketpair");
    char *pages = map(NULL, 2, MAP_SHARED);
    cut(1);
    touch(pages + PAGE);
    printf("received %zd\n", recv(ends[1], text, sizeof text, MSG_DONTWAIT));
}

static void has_lost_its_stderr(void)
{
    char *pages = map(NULL, 2, MAP_SHARED);
    cut(1);
    check(getchar() == 'x', "getchar");
    touch(pages + PAGE);
    printf("done\n");
}

static void *reads_its_own_stderr(void *end)
{
    char bytes[4096], *other = map(NULL, 1, MAP_SHARED);
    usleep(300000);
    munmap(other, PAGE);
    while (read((int)(size_t)end, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
    return NULL;
}

static void has_a_full_pipe_for_stderr(void)
{
    /* The test has made the pipe: its reading end is stdin. */
    pthread_t thread;
    char *pages, *lost = map(NULL, 4, MAP_SHARED);
    static char bytes[512];
    cut(3);
    pthread_create(&thread, NULL, reads_its_own_stderr, (void *)0);
    touch(lost + 3 * PAGE);
    check(fcntl(2, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    while (write(2, bytes, 512) > 0)
        ;
    check(fcntl(2, F_SETFL, 0) == 0, "fcntl");
    unlink(file);
    fd = open(file, O_RDWR | O_CREAT, 0600);
    pages = map(NULL, 1, MAP_SHARED);
    touch(pages);
    pthread_join(thread, NULL);
    printf("done\n");
}

static void has_no_descriptor_left(void)
{
    struct rlimit none = {0, 0};
    char *pages = map(NULL, 2, MAP_SHARED);
    cut(1);
    check(setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit");
    touch(pages + PAGE);
    pages[PAGE] = 7;
    printf("read %d\n", touch(pages + PAGE));
}

int main(int count, char **words)
{
    static const struct { const char *name; void (*work)(void); } all[] = {
        {"first-thread-ends", first_thread_ends}, {"remap-nothing", remap_nothing},
        {"remap-two", remap_two}, {"remap-private", remap_private}, {"vforks", vforks},
        {"thread-ends-in-handler", thread_ends_in_handler},
        {"unmaps", unmaps}, {"connection", has_a_connection_for_stderr},
        {"lost-stderr", has_lost_its_stderr}, {"full-stderr", has_a_full_pipe_for_stderr},
        {"no-descriptor", has_no_descriptor_left},
    };
    setvbuf(stdout, NULL, _IONBF, 0);
    check(count == 3, "corners NAME FILE");
    file = words[2];
    fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
    check(fd >= 0, file);
    cut(4);
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        if (strcmp(all[at].name, words[1]) == 0)
            all[at].work();
    return 0;
}
