/* What every test of the suite stands on.
 *
 * A test is one file, one assertion:
 *
 *     / * Where the rule stands, and the rule in our words. * /
 *     #include "../suite.h"
 *
 *     TEST {
 *         int fd = file(2 * page);
 *         byte *p = must_map(page, PROT_READ, MAP_SHARED, fd, page);
 *         holds(p[0] == pattern(page));
 *     }
 *
 * It exits 0 when the rule holds, 1 when it does not, 77 when this machine or user cannot try it.
 * `must...` is for what only prepares the test and ends it as a failure, too: nothing is passed over.
 * Calls are by their plain names, so that the same source runs on libc, on libfolio by header (the
 * runner defines SUITE_FOLIO, and folio_names.h gives the names to folio) and under a preload.
 */
#ifndef SUITE_H
#define SUITE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef SUITE_FOLIO
#include <folio_names.h>
#endif

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

typedef unsigned char byte;

static size_t page;
static char **suite_argv;
static int suite_argc;

#define TEST static void test(void)

/* ---- the end of a test ---- */

static char suite_shm[64]; /* the shared-memory object of this test, and who gives its name up */
static pid_t suite_shm_owner;

static inline void suite_forget_shm(void) {
    char path[96];
    if (suite_shm[0] && getpid() == suite_shm_owner) {
        snprintf(path, sizeof path, "/dev/shm%s", suite_shm);
        unlink(path);
    }
}

__attribute__((noreturn)) static inline void suite_end(int code) {
    suite_forget_shm();
    _exit(code);
}

/* ---- saying what is so ---- */

#define say(...) (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))
#define holds(truth) \
    do { if (!(truth)) { say("not so: %s", #truth); suite_end(1); } } while (0)
#define needs(truth, missing) \
    do { if (!(truth)) { say("cannot be tested here: %s", missing); suite_end(77); } } while (0)
#define must(truth) \
    do { if (!(truth)) { say("cannot prepare the test: %s: %s", #truth, strerror(errno)); suite_end(1); } } while (0)
/* `call` returns -1 or MAP_FAILED and sets errno to `number`. */
#define fails(call, number) \
    do { \
        errno = 0; \
        long suite_result = (long)(call); \
        int suite_errno = errno; \
        if (suite_result != -1) { say("succeeds: %s", #call); suite_end(1); } \
        if (suite_errno != (number)) { say("%s: errno is %d (%s), not %s", #call, suite_errno, strerror(suite_errno), #number); suite_end(1); } \
    } while (0)
#define works(call) \
    do { if ((long)(call) == -1) { say("%s: %s", #call, strerror(errno)); suite_end(1); } } while (0)
/* `call` works and leaves errno as it was. */
#define keeps_errno(call) \
    do { \
        errno = 4242; \
        long suite_result = (long)(call); \
        int suite_errno = errno; \
        if (suite_result == -1) { say("%s: %s", #call, strerror(suite_errno)); suite_end(1); } \
        if (suite_errno != 4242) { say("%s: errno became %d", #call, suite_errno); suite_end(1); } \
    } while (0)

/* ---- files: made in TMPDIR, without a name, every byte known ---- */

static inline byte pattern(off_t at) { return (byte)(1 + (at + at / 4096 * 31) % 251); }

static inline int empty_file(void) {
    const char *folder = getenv("TMPDIR");
    char name[4096];
    snprintf(name, sizeof name, "%s/suite-XXXXXX", folder && *folder ? folder : "/var/tmp");
    int fd = mkstemp(name);
    must(fd != -1);
    must(unlink(name) == 0);
    return fd;
}

static inline void must_write(int fd, const void *bytes, size_t length, off_t at) {
    must(pwrite(fd, bytes, length, at) == (ssize_t)length);
}

static inline void fill(int fd, off_t length) {
    byte some[4096];
    for (off_t at = 0; at < length; at += (off_t)sizeof some) {
        size_t take = length - at < (off_t)sizeof some ? (size_t)(length - at) : sizeof some;
        for (size_t i = 0; i < take; i++) some[i] = pattern(at + (off_t)i);
        must_write(fd, some, take, at);
    }
}

static inline int file(off_t length) {
    int fd = empty_file();
    fill(fd, length);
    return fd;
}

/* The same file, opened again: another open file description, with other rights. */
static inline int reopen(int fd, int flags) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int again = open(name, flags);
    must(again != -1);
    return again;
}

static inline byte byte_in_file(int fd, off_t at) {
    byte b = 0;
    must(pread(fd, &b, 1, at) == 1);
    return b;
}

static inline int is_tmpfs(int fd) {
    struct statfs s;
    must(fstatfs(fd, &s) == 0);
    return s.f_type == 0x01021994;
}

/* Pages of the file that wait for the disk, in the whole file or in a part; by cachestat(2). */
static inline long dirty_pages(int fd, uint64_t at, uint64_t length) {
    struct { uint64_t at, length; } range = {at, length};
    struct { uint64_t cache, dirty, writeback, evicted, recently; } stat = {0, 0, 0, 0, 0};
    needs(syscall(451, fd, &range, &stat, 0) == 0, "cachestat(2) (Linux 6.5)");
    return (long)(stat.dirty + stat.writeback);
}

/* A file on a disk whose pages are all written back. */
static inline int clean_file(off_t length) {
    int fd = file(length);
    needs(!is_tmpfs(fd), "a TMPDIR on a disk: tmpfs has nothing to write back to");
    must(fsync(fd) == 0);
    needs(dirty_pages(fd, 0, 0) == 0, "a file system whose fsync(2) leaves no dirty page");
    return fd;
}

/* ---- mappings ---- */

static inline byte *must_map(size_t length, int prot, int flags, int fd, off_t offset) {
    void *p = mmap(NULL, length, prot, flags, fd, offset);
    must(p != MAP_FAILED);
    return p;
}

static inline byte *anonymous(size_t length) {
    return must_map(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static inline byte *shared(int fd, size_t length) {
    return must_map(length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* Addresses with nothing behind them but PROT_NONE: to place things in by MAP_FIXED. */
static inline byte *room(size_t length) {
    return must_map(length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* Addresses where nothing is mapped. By raw system calls, so that no test of munmap needs munmap. */
static inline byte *hole(size_t length) {
    byte *p = (byte *)syscall(SYS_mmap, NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
    must(p != MAP_FAILED);
    must(syscall(SYS_munmap, p, length) == 0);
    return p;
}

static inline byte peek(const void *p) { return *(const volatile byte *)p; }
static inline void poke(void *p, byte b) { *(volatile byte *)p = b; }

static inline int all(const void *p, byte b, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (peek((const byte *)p + i) != b) return 0;
    return 1;
}

/* Do the bytes show the file that file() made, from `at` on? */
static inline int shows(const void *p, off_t at, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (peek((const byte *)p + i) != pattern(at + (off_t)i)) return 0;
    return 1;
}

/* Asked of the kernel, past every library: is a page mapped at p? */
static inline int is_mapped(const void *p) {
    byte b;
    return syscall(SYS_mincore, p, page, &b) == 0;
}

/* Asked of the kernel: is the page in memory? */
static inline int is_resident(const void *p) {
    byte b = 0;
    must(syscall(SYS_mincore, p, page, &b) == 0);
    return b & 1;
}

/* ---- signals: attempt(statement), then look at `caught` ---- */

static struct { volatile int signal, code; void *volatile address; } caught;
static sigjmp_buf suite_back;

static inline void suite_on_signal(int signal, siginfo_t *info, void *context) {
    (void)context;
    caught.signal = signal;
    caught.code = info->si_code;
    caught.address = info->si_addr;
    siglongjmp(suite_back, 1);
}

/* Installs the handler, or puts back what was there before it. */
static inline void suite_catch(int yes) {
    static struct sigaction before[2];
    struct sigaction a;
    if (yes) {
        memset(&a, 0, sizeof a);
        a.sa_sigaction = suite_on_signal;
        a.sa_flags = SA_SIGINFO;
        caught.signal = caught.code = 0;
        caught.address = NULL;
        must(sigaction(SIGSEGV, &a, &before[0]) == 0 && sigaction(SIGBUS, &a, &before[1]) == 0);
    } else {
        must(sigaction(SIGSEGV, &before[0], NULL) == 0 && sigaction(SIGBUS, &before[1], NULL) == 0);
    }
}

#define attempt(...) \
    do { \
        suite_catch(1); \
        if (sigsetjmp(suite_back, 1) == 0) { __VA_ARGS__; } \
        suite_catch(0); \
    } while (0)

/* ---- other processes ---- */

static inline void must_end_well(pid_t child) {
    int status;
    must(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    if (WIFEXITED(status)) suite_end(WEXITSTATUS(status));
    say("the child died of signal %d", WTERMSIG(status));
    suite_end(1);
}

/* Runs the statements in a child to their end; what does not hold there does not hold. */
#define child(...) \
    do { \
        pid_t suite_child = fork(); \
        must(suite_child != -1); \
        if (suite_child == 0) { __VA_ARGS__; _exit(0); } \
        must_end_well(suite_child); \
    } while (0)

/* The signal a child dies of that runs the statements, with no handler of the test's; 0: it lived. */
#define killer(into, ...) \
    do { \
        pid_t suite_child = fork(); \
        int suite_status; \
        must(suite_child != -1); \
        if (suite_child == 0) { __VA_ARGS__; _exit(0); } \
        must(waitpid(suite_child, &suite_status, 0) == suite_child); \
        (into) = WIFSIGNALED(suite_status) ? WTERMSIG(suite_status) : 0; \
    } while (0)

/* A place where one process waits for another. */
struct gate { int ends[2]; };
static inline struct gate gate(void) { struct gate g; must(pipe(g.ends) == 0); return g; }
static inline void open_gate(struct gate g) { must(write(g.ends[1], "x", 1) == 1); }
static inline void wait_at(struct gate g) { char c; must(read(g.ends[0], &c, 1) == 1); }

/* This program anew, with `word` as its argument; there after_exec() is that word. */
static inline void exec_self(const char *word) {
    execl("/proc/self/exe", suite_argv[0], word, (char *)NULL);
    must(!"execl");
}
static inline const char *after_exec(void) { return suite_argc > 1 ? suite_argv[1] : NULL; }

/* ---- rights and limits ---- */

/* From here on an ordinary user, without capabilities. Open what is needed before. */
static inline void be_ordinary(void) {
    if (geteuid() != 0) return;
    must(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
}

static inline void limit(int what, size_t value) {
    struct rlimit l;
    must(getrlimit(what, &l) == 0);
    l.rlim_cur = value;
    needs(l.rlim_max == RLIM_INFINITY || value <= l.rlim_max, "a higher hard limit");
    must(setrlimit(what, &l) == 0);
}

/* A line of /proc/self/status, in bytes. */
static inline long status_bytes(const char *name) {
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    must(f != NULL);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') kib = atol(line + strlen(name) + 1);
    fclose(f);
    must(kib >= 0);
    return kib * 1024;
}
static inline long locked_bytes(void) { return status_bytes("VmLck"); }

/* Locking `length` bytes must be allowed, or there is nothing to test. */
static inline void needs_lockable(size_t length) {
    struct rlimit l;
    must(getrlimit(RLIMIT_MEMLOCK, &l) == 0);
    needs(geteuid() == 0 || l.rlim_cur == RLIM_INFINITY || l.rlim_cur >= length, "a higher RLIMIT_MEMLOCK");
}

/* How many mappings a process may have, where that is few enough to use them up. */
static inline long most_mappings(void) {
    long most = 0;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
    needs(f != NULL && fscanf(f, "%ld", &most) == 1, "/proc/sys/vm/max_map_count");
    fclose(f);
    needs(most <= 262144, "a vm.max_map_count that can be used up");
    return most;
}

/* ---- shared-memory objects: a name of this process's own, gone when it ends ---- */

static inline const char *shm_name(void) {
    if (!suite_shm[0]) {
        suite_shm_owner = getpid();
        snprintf(suite_shm, sizeof suite_shm, "/suite-%ld", (long)getpid());
        suite_forget_shm();
    }
    return suite_shm;
}

static inline int shm_file(int flags, mode_t mode) {
    char path[96];
    snprintf(path, sizeof path, "/dev/shm%s", shm_name());
    return open(path, flags, mode);
}

/* Something elsewhere is guarded, so that libfolio keeps its books during every call of the test. */
static inline void suite_guard(void) {
#ifdef SUITE_FOLIO
    byte *elsewhere = must_map(page, PROT_READ, MAP_SHARED, file(page), 0);
    must(folio_guard(elsewhere, page, FOLIO_ZEROS) == 0);
#endif
}

static inline int suite_main(int argc, char **argv, void (*run)(void)) {
    struct rlimit none = {0, 0};
    suite_argc = argc;
    suite_argv = argv;
    page = (size_t)sysconf(_SC_PAGESIZE);
    setrlimit(RLIMIT_CORE, &none);
    alarm(60);
    if (getenv("SUITE_GUARDED")) suite_guard();
    run();
    suite_end(0);
}

/* A test is a program of its own; the runner includes many in one source, and has a main() for those. */
#ifndef SUITE_MANY
TEST;
int main(int argc, char **argv) { return suite_main(argc, argv, test); }
#endif

#endif
