/*
 * What folio.h promises about faults. Each case runs in a process of its own: faults CASE.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <folio.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define IS(what)                                                                              \
    do {                                                                                      \
        if (!(what)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #what, errno); \
            exit(1);                                                                          \
        }                                                                                     \
    } while (0)

static char path[4096];

static void remove_file(void)
{
    unlink(path);
}

/* A file of `pages` pages of sevens. */
static int file_of(size_t pages)
{
    const char *directory = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/folio-capi-XXXXXX", directory != NULL ? directory : "/tmp");
    int fd = mkstemp(path);
    IS(fd >= 0);
    atexit(remove_file);
    char sevens[PAGE];
    memset(sevens, 7, PAGE);
    for (size_t i = 0; i < pages; i++)
        IS(write(fd, sevens, PAGE) == (ssize_t)PAGE);
    return fd;
}

static char *map(int fd, size_t pages)
{
    char *map = folio_mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    IS(map != MAP_FAILED);
    return map;
}

/* How a child ends that reads a byte: 0, its exit code, or minus the signal. */
static int child_reads(const volatile char *byte)
{
    pid_t child = fork();
    IS(child >= 0);
    if (child == 0) {
        (void)*byte;
        _exit(0);
    }
    int status;
    IS(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void (*handler_of(int signal))(int)
{
    struct sigaction action;
    IS(sigaction(signal, NULL, &action) == 0);
    return action.sa_handler;
}

static void a_fault_is_a_signal_until_asked_otherwise(void)
{
    IS(handler_of(SIGBUS) == SIG_DFL && handler_of(SIGSEGV) == SIG_DFL);
    int fd = file_of(2);
    char *bytes = map(fd, 2);
    IS(ftruncate(fd, PAGE) == 0);
    struct folio_fault fault;
    IS(folio_check(bytes, 2 * PAGE, &fault) == 0);
    IS(folio_restore(bytes, 2 * PAGE, &fault) == 0);
    IS(folio_guard(bytes, 2 * PAGE, FOLIO_SIGNAL) == 0);
    IS(folio_guard_all(FOLIO_SIGNAL) == 0);
    IS(strcmp(folio_version(), FOLIO_VERSION) == 0);
    IS(handler_of(SIGBUS) == SIG_DFL && handler_of(SIGSEGV) == SIG_DFL);
    IS(child_reads(bytes) == 0 && child_reads(bytes + PAGE) == -SIGBUS);

    IS(folio_guard(bytes, 2 * PAGE, FOLIO_ZEROS) == 0);
    IS(handler_of(SIGBUS) != SIG_DFL && handler_of(SIGSEGV) == SIG_DFL);
    char byte;
    IS(folio_read(&byte, bytes, 1, NULL) == 1);
    IS(handler_of(SIGSEGV) != SIG_DFL);
}

static void zeros_stand_in_and_check_tells(void)
{
    int fd = file_of(4);
    char *bytes = map(fd, 4);
    IS(folio_guard(bytes, 4 * PAGE, FOLIO_ZEROS) == 0);
    IS(ftruncate(fd, 2 * PAGE) == 0);
    IS(bytes[2 * PAGE - 1] == 7 && folio_check(bytes, 4 * PAGE, NULL) == 0);
    bytes[3 * PAGE + 5] = 1;
    IS(bytes[3 * PAGE + 5] == 1 && bytes[3 * PAGE + 6] == 0);

    struct folio_fault fault;
    memset(&fault, 0xff, sizeof fault);
    IS(folio_check(bytes, 4 * PAGE, &fault) == 1);
    struct stat file;
    IS(fstat(fd, &file) == 0);
    IS(fault.kind == FOLIO_FAULT_TRUNCATED && fault.access == FOLIO_ACCESS_WRITE);
    IS(fault.error == 0 && fault.reserved_int == 0 && fault.done == 0);
    IS((char *)fault.address >= bytes + 3 * PAGE && (char *)fault.address < bytes + 4 * PAGE);
    IS(fault.offset == (size_t)((char *)fault.address - bytes));
    IS(fault.device == file.st_dev && fault.inode == file.st_ino);
    IS(strcmp(fault.path, path) == 0);
    for (size_t i = 0; i < sizeof fault.reserved / sizeof fault.reserved[0]; i++)
        IS(fault.reserved[i] == 0);

    /* Any bytes may be asked about; those of pages that nobody touched have met no fault. */
    IS(folio_check(bytes + 3 * PAGE + 100, 1, NULL) == 1);
    IS(folio_check(bytes, 3 * PAGE, NULL) == 0);
    IS(folio_check(bytes + 3 * PAGE - 1, 2, NULL) == 1);
    IS(folio_check(bytes + 3 * PAGE, 0, NULL) == 0);
    IS(folio_check(bytes, SIZE_MAX, NULL) == -1 && errno == EINVAL);
}

static void the_offset_of_a_fault_is_that_in_the_file(void)
{
    int fd = file_of(4);
    char *bytes = folio_mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
    IS(bytes != MAP_FAILED && folio_guard(bytes, 2 * PAGE, FOLIO_ZEROS) == 0);
    IS(ftruncate(fd, 3 * PAGE) == 0);
    IS(*(volatile char *)(bytes + PAGE + 9) == 0);
    struct folio_fault fault;
    IS(folio_check(bytes, 2 * PAGE, &fault) == 1);
    IS(fault.offset == 3 * PAGE + 9 && fault.address == bytes + PAGE + 9);
    IS(fault.access == FOLIO_ACCESS_READ);
}

static void a_part_of_a_guard_can_be_undone(void)
{
    int fd = file_of(3);
    char *bytes = map(fd, 3);
    IS(folio_guard(bytes + 1, 3 * PAGE - 2, FOLIO_ZEROS) == 0);
    IS(folio_guard(bytes + PAGE, PAGE, FOLIO_SIGNAL) == 0);
    IS(ftruncate(fd, 0) == 0);
    IS(child_reads(bytes) == 0);
    IS(child_reads(bytes + PAGE) == -SIGBUS);
    IS(child_reads(bytes + 2 * PAGE) == 0);
}

static void what_is_asked_wrongly_fails_with_einval(void)
{
    char *bytes = map(file_of(1), 1);
    IS(folio_guard(bytes, PAGE, 4) == -1 && errno == EINVAL);
    IS(folio_guard(bytes, PAGE, FOLIO_STOP) == -1 && errno == EINVAL);
    IS(folio_guard(bytes, PAGE, FOLIO_ZEROS_AND_TELL) == -1 && errno == EINVAL);
    IS(folio_guard(bytes, 0, FOLIO_ZEROS) == -1 && errno == EINVAL);
    IS(folio_guard(bytes + 1, 0, FOLIO_ZEROS) == -1 && errno == EINVAL);
    IS(folio_guard(bytes, SIZE_MAX, FOLIO_ZEROS) == -1 && errno == EINVAL);
    IS(folio_guard_all(-1) == -1 && errno == EINVAL);
    IS(folio_restore(bytes, SIZE_MAX, NULL) == -1 && errno == EINVAL);
    IS(handler_of(SIGBUS) == SIG_DFL);
}

/* A guarded mapping of two pages that has met a fault in its second. */
static char *lost(int *fd)
{
    *fd = file_of(2);
    char *bytes = map(*fd, 2);
    IS(folio_guard(bytes, 2 * PAGE, FOLIO_ZEROS) == 0);
    IS(ftruncate(*fd, PAGE) == 0);
    IS(*(volatile char *)(bytes + PAGE) == 0);
    IS(folio_check(bytes, 2 * PAGE, NULL) == 1);
    return bytes;
}

static void munmap_ends_a_guard_and_its_faults(void)
{
    int fd;
    char *bytes = lost(&fd);
    IS(folio_munmap(bytes + 1, PAGE) == -1 && errno == EINVAL);
    IS(folio_check(bytes, 2 * PAGE, NULL) == 1);
    IS(folio_munmap(bytes, 2 * PAGE) == 0);
    IS(folio_check(bytes, 2 * PAGE, NULL) == 0);
    IS(mmap(bytes, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == bytes);
    IS(child_reads(bytes + PAGE) == -SIGBUS);
}

static void munmap_of_a_part_leaves_the_rest(void)
{
    int fd = file_of(4);
    char *bytes = map(fd, 4);
    IS(folio_guard(bytes, 4 * PAGE, FOLIO_ZEROS) == 0);
    IS(ftruncate(fd, 0) == 0);
    IS(*(volatile char *)bytes == 0 && *(volatile char *)(bytes + 3 * PAGE) == 0);
    IS(folio_munmap(bytes + PAGE, 2 * PAGE) == 0);
    IS(folio_check(bytes, PAGE, NULL) == 1 && folio_check(bytes + 3 * PAGE, PAGE, NULL) == 1);
    IS(folio_munmap(bytes, PAGE) == 0);
    IS(folio_check(bytes, PAGE, NULL) == 0 && folio_check(bytes + 3 * PAGE, PAGE, NULL) == 1);
}

static void map_fixed_ends_what_it_replaces(void)
{
    int fd;
    char *bytes = lost(&fd);
    void *bad = folio_mmap(bytes, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, -1, 0);
    IS(bad == MAP_FAILED && errno == EBADF && folio_check(bytes, 2 * PAGE, NULL) == 1);
    IS(folio_mmap(bytes, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == bytes);
    IS(folio_check(bytes, 2 * PAGE, NULL) == 0);
    IS(child_reads(bytes + PAGE) == -SIGBUS);
}

static void a_new_mapping_takes_over_no_guard_from_an_old_one(void)
{
    int fd;
    char *bytes = lost(&fd);
    /* Past libfolio. */
    IS(munmap(bytes, 2 * PAGE) == 0);
    char *again = folio_mmap(bytes, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    IS(again == bytes);
    IS(folio_check(bytes, 2 * PAGE, NULL) == 0);
    IS(child_reads(bytes + PAGE) == -SIGBUS);
}

static void mremap_takes_the_guard_along(void)
{
    int fd = file_of(4);
    char *bytes = map(fd, 2);
    char *there = folio_mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    IS(there != MAP_FAILED && folio_guard(bytes, 2 * PAGE, FOLIO_ZEROS) == 0);
    char *moved =
        folio_mremap(bytes, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)there);
    IS(moved == there);
    IS(ftruncate(fd, 0) == 0);
    for (size_t page = 0; page < 4; page++)
        IS(moved[page * PAGE] == 0);
    IS(folio_check(moved, 4 * PAGE, NULL) == 1);
    IS(mmap(bytes, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == bytes);
    IS(child_reads(bytes) == -SIGBUS);
}

static void mremap_ends_what_it_replaces(void)
{
    int fd;
    char *there = lost(&fd);
    char *bytes = map(fd, 2);
    char *moved =
        folio_mremap(bytes, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)there);
    IS(moved == there && folio_check(moved, 2 * PAGE, NULL) == 0);
    IS(child_reads(moved) == 0 && child_reads(moved + PAGE) == -SIGBUS);
}

static void mremap_that_fails_leaves_the_guard(void)
{
    int fd = file_of(2);
    char *bytes = map(fd, 2);
    IS(folio_guard(bytes, 2 * PAGE, FOLIO_ZEROS) == 0);
    void *moved = folio_mremap(bytes, 2 * PAGE, (size_t)1 << 60, MREMAP_MAYMOVE);
    IS(moved == MAP_FAILED && (errno == ENOMEM || errno == EINVAL));
    IS(ftruncate(fd, 0) == 0);
    IS(child_reads(bytes) == 0 && child_reads(bytes + PAGE) == 0);
}

static void mremap_in_place_guards_what_was_added(void)
{
    int fd = file_of(4);
    char *room = folio_mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    IS(room != MAP_FAILED && folio_munmap(room, 4 * PAGE) == 0);
    char *bytes = folio_mmap(room, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    IS(bytes == room && folio_guard(bytes, 2 * PAGE, FOLIO_ZEROS) == 0);
    IS(folio_mremap(bytes, 2 * PAGE, 4 * PAGE, 0) == bytes);
    IS(ftruncate(fd, 0) == 0);
    for (size_t page = 0; page < 4; page++)
        IS(child_reads(bytes + page * PAGE) == 0);
}

static void mremap_over_zeros_only_cuts(void)
{
    int fd;
    char *bytes = lost(&fd);
    IS(folio_mremap(bytes, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
    IS(folio_mremap(bytes + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
    IS(folio_check(bytes, 2 * PAGE, NULL) == 1);
    IS(folio_mremap(bytes, 2 * PAGE, PAGE, 0) == bytes);
    IS(folio_check(bytes, 2 * PAGE, NULL) == 0);
    IS(ftruncate(fd, 0) == 0);
    IS(child_reads(bytes) == 0);
    IS(mmap(bytes + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == bytes + PAGE);
    IS(child_reads(bytes + PAGE) == -SIGBUS);
}

static void msync_over_zeros_is_eio_until_the_file_is_back(void)
{
    int fd;
    char *bytes = lost(&fd);
    IS(folio_msync(bytes, PAGE, MS_SYNC) == 0);
    IS(folio_msync(bytes, 2 * PAGE, MS_SYNC) == -1 && errno == EIO);
    IS(folio_msync(bytes, 2 * PAGE, MS_ASYNC) == -1 && errno == EIO);
    IS(folio_msync(bytes, 2 * PAGE, MS_ASYNC | MS_SYNC) == -1 && errno == EINVAL);
    IS(folio_msync(bytes + 1, 2 * PAGE, MS_SYNC) == -1 && errno == EINVAL);

    bytes[PAGE] = 1;
    IS(ftruncate(fd, 2 * PAGE) == 0 && pwrite(fd, "back", 4, PAGE) == 4);
    IS(bytes[PAGE] == 1);
    struct folio_fault fault;
    IS(folio_restore(bytes + PAGE + 17, 1, &fault) == 1 && fault.offset == PAGE);
    IS(memcmp(bytes + PAGE, "back", 4) == 0);
    IS(folio_restore(bytes, 2 * PAGE, NULL) == 0 && folio_check(bytes, 2 * PAGE, NULL) == 0);
    IS(folio_msync(bytes, 2 * PAGE, MS_SYNC) == 0);
    /* Guarded still. */
    IS(ftruncate(fd, PAGE) == 0 && child_reads(bytes + PAGE) == 0);
}

static void restore_needs_the_file(void)
{
    int fd;
    char *bytes = lost(&fd);
    IS(unlink(path) == 0 && close(fd) == 0);
    IS(folio_restore(bytes, 2 * PAGE, NULL) == -1 && errno == ENOENT);
    IS(folio_check(bytes, 2 * PAGE, NULL) == 1);
}

static void copies_say_how_far_they_came(void)
{
    int fd = file_of(2);
    char *bytes = map(fd, 2);
    char own[2 * 4096];
    struct folio_fault fault;
    IS(folio_read(own, bytes + 1, 2 * PAGE - 1, &fault) == (ssize_t)(2 * PAGE - 1));
    IS(own[0] == 7 && own[2 * PAGE - 2] == 7);
    IS(folio_write(bytes + 3, "abc", 3, NULL) == 3);
    IS(pread(fd, own, 6, 1) == 6 && memcmp(own, "\7\7abc\7", 6) == 0);

    IS(ftruncate(fd, PAGE) == 0);
    errno = 0;
    IS(folio_read(own, bytes + 100, PAGE, &fault) == (ssize_t)(PAGE - 100) && errno == EFAULT);
    IS(fault.kind == FOLIO_FAULT_TRUNCATED && fault.access == FOLIO_ACCESS_READ);
    IS(fault.done == PAGE - 100 && fault.offset == PAGE && fault.address == bytes + PAGE);
    IS(strcmp(fault.path, path) == 0);
    IS(folio_write(bytes + PAGE - 2, "abcd", 4, &fault) == 2);
    IS(fault.access == FOLIO_ACCESS_WRITE && fault.done == 2);
    IS(bytes[PAGE - 2] == 'a' && bytes[PAGE - 1] == 'b');
    IS(folio_read(own, bytes + PAGE, 1, NULL) == 0);
    /* They leave nothing behind. */
    IS(folio_check(bytes, 2 * PAGE, NULL) == 0 && child_reads(bytes + PAGE) == -SIGBUS);

    IS(folio_munmap(bytes, 2 * PAGE) == 0);
    IS(folio_read(own, bytes, 1, &fault) == 0 && fault.kind == FOLIO_FAULT_UNMAPPED);
    IS(fault.address == bytes && fault.path[0] == 0);
    IS(folio_read(own, NULL, 1, &fault) == 0 && fault.kind == FOLIO_FAULT_UNMAPPED);
    IS(fault.address == NULL);
    char *closed = folio_mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    IS(folio_write(closed, "a", 1, &fault) == 0 && fault.kind == FOLIO_FAULT_PROTECTION);
    IS(folio_read(own, closed, 0, &fault) == 0 && folio_read(NULL, NULL, 0, NULL) == 0);
    IS(folio_read(own, closed, (size_t)-1, &fault) == -1 && errno == EINVAL);
    IS(folio_read(own, (void *)UINTPTR_MAX, 2, &fault) == -1 && errno == EINVAL);
}

static void success_leaves_errno_alone(void)
{
    int fd;
    char *bytes = lost(&fd);
    struct folio_fault fault;
    char byte, *other;
    errno = 77;
    IS(folio_guard(bytes, 2 * PAGE, FOLIO_ZEROS) == 0 && errno == 77);
    IS(folio_check(bytes, 2 * PAGE, &fault) == 1 && errno == 77);
    IS(folio_msync(bytes, PAGE, MS_SYNC) == 0 && errno == 77);
    IS(folio_read(&byte, bytes, 1, NULL) == 1 && errno == 77);
    IS((other = map(fd, 1)) != NULL && errno == 77);
    IS(folio_mremap(other, PAGE, 2 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED && errno == 77);
    IS(folio_restore(bytes, 2 * PAGE, &fault) == 1 && errno == 77);
    IS(*(volatile char *)(bytes + PAGE) == 0 && errno == 77);
    IS(folio_munmap(bytes, 2 * PAGE) == 0 && errno == 77);
    IS(folio_on_fault(NULL, NULL) == 0 && errno == 77);
    /* Looking for the file's name fails on the way. */
    other = lost(&fd);
    IS(unlink(path) == 0);
    errno = 77;
    IS(folio_restore(other, 2 * PAGE, &fault) == 1 && errno == 77);
    IS(folio_guard_all(FOLIO_ZEROS) == 0 && folio_guard_all(FOLIO_SIGNAL) == 0 && errno == 77);
}

static sem_t told;
static struct folio_fault told_of;
static void *told_with;

static void tell(const struct folio_fault *fault, void *context)
{
    told_of = *fault;
    told_with = context;
    sem_post(&told);
}

static void a_callback_is_told(void)
{
    IS(sem_init(&told, 0, 0) == 0 && folio_on_fault(tell, &told) == 0);
    int fd;
    char *bytes = lost(&fd);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_sec += 20;
    IS(sem_timedwait(&told, &soon) == 0);
    IS(told_with == &told && told_of.kind == FOLIO_FAULT_TRUNCATED);
    IS(told_of.offset == PAGE && told_of.address == bytes + PAGE && strcmp(told_of.path, path) == 0);
    IS(folio_on_fault(NULL, NULL) == 0);
}

static void a_message_is_cut_as_snprintf_cuts(void)
{
    int fd;
    char *bytes = lost(&fd);
    struct folio_fault fault;
    IS(folio_check(bytes, 2 * PAGE, &fault) == 1);
    char whole[8192], cut[20];
    size_t len = folio_fault_message(&fault, whole, sizeof whole);
    char wanted[8192];
    snprintf(wanted, sizeof wanted, "%s: truncated at offset 4096: the file ended before it", path);
    IS(strcmp(whole, wanted) == 0 && len == strlen(wanted));
    IS(folio_fault_message(&fault, NULL, 0) == len);
    memset(cut, 'x', sizeof cut);
    IS(folio_fault_message(&fault, cut, 10) == len);
    IS(memcmp(cut, wanted, 9) == 0 && cut[9] == 0 && cut[10] == 'x');
    IS(folio_fault_message(&fault, cut, 1) == len && cut[0] == 0);
    /* One line, whatever the file is called. */
    strcpy(fault.path, "/a\nb\x1b[31m");
    folio_fault_message(&fault, whole, sizeof whole);
    IS(strcmp(whole, "/a\\nb\\x1b[31m: truncated at offset 4096: the file ended before it") == 0);
    /* What a later version may know, and a path without end. */
    fault.kind = 99;
    memset(fault.path, 'p', sizeof fault.path);
    IS(folio_fault_message(&fault, whole, sizeof whole) > sizeof fault.path);
    fault.path[0] = 0;
    IS(folio_fault_message(&fault, whole, sizeof whole) > 0);
    IS(strncmp(whole, "file (inode ", 12) == 0);
}

static void guard_all_covers_mappings_of_others(void)
{
    int fd = file_of(3);
    char *bytes = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    IS(bytes != MAP_FAILED && folio_guard_all(FOLIO_ZEROS) == 0);
    IS(ftruncate(fd, PAGE) == 0);
    IS(bytes[PAGE] == 0 && folio_check(bytes, 3 * PAGE, NULL) == 1);
    IS(folio_guard_all(FOLIO_SIGNAL) == 0);
    IS(child_reads(bytes + 2 * PAGE) == -SIGBUS);
    IS(folio_guard_all(FOLIO_STOP) == 0);
    IS(child_reads(bytes + 2 * PAGE) == 1);
    IS(folio_guard_all(FOLIO_ZEROS_AND_TELL) == 0);
    IS(child_reads(bytes + 2 * PAGE) == 0);
}

static volatile sig_atomic_t seen;

static void see(int signal, siginfo_t *info, void *context)
{
    (void)context;
    seen = signal;
    if (info->si_code > 0)
        _exit(42);
}

static void signals_that_are_not_folios_arrive_where_they_did(void)
{
    struct sigaction own = {.sa_sigaction = see, .sa_flags = SA_SIGINFO};
    IS(sigaction(SIGBUS, &own, NULL) == 0 && sigaction(SIGSEGV, &own, NULL) == 0);
    int fd = file_of(2);
    char *bytes = map(fd, 2);
    IS(folio_guard(bytes, PAGE, FOLIO_ZEROS) == 0);
    char byte;
    IS(folio_read(&byte, bytes, 1, NULL) == 1);
    IS(ftruncate(fd, 0) == 0);
    IS(child_reads(bytes) == 0);
    IS(child_reads(bytes + PAGE) == 42);
    IS(child_reads(NULL) == 42);
    IS(raise(SIGBUS) == 0 && seen == SIGBUS);
}

static void a_forked_child_inherits_guards_and_faults(void)
{
    int fd;
    char *bytes = lost(&fd);
    pid_t child = fork();
    IS(child >= 0);
    if (child == 0) {
        IS(folio_check(bytes, 2 * PAGE, NULL) == 1);
        IS(ftruncate(fd, 0) == 0 && *(volatile char *)bytes == 0);
        IS(folio_check(bytes, PAGE, NULL) == 1);
        IS(folio_munmap(bytes, 2 * PAGE) == 0);
        _exit(0);
    }
    int status;
    IS(waitpid(child, &status, 0) == child && status == 0);
    IS(folio_check(bytes, PAGE, NULL) == 0);
}

/* Addresses that one thread gives up are the next one's at once. */
static void *map_lose_and_unmap(void *file)
{
    int cut = *(int *)file;
    for (int round = 0; round < 500; round++) {
        char *bytes = folio_mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, cut, 0);
        IS(bytes != MAP_FAILED && folio_check(bytes, 2 * PAGE, NULL) == 0);
        IS(folio_guard(bytes, 2 * PAGE, FOLIO_ZEROS) == 0);
        IS(*(volatile char *)bytes == 7 && *(volatile char *)(bytes + PAGE) == 0);
        IS(folio_check(bytes, 2 * PAGE, NULL) == 1);
        IS(folio_munmap(bytes, 2 * PAGE) == 0);
    }
    return NULL;
}

static void threads_do_not_take_each_others_guards(void)
{
    int fd = file_of(2);
    IS(ftruncate(fd, PAGE) == 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        IS(pthread_create(&threads[i], NULL, map_lose_and_unmap, &fd) == 0);
    for (int i = 0; i < 4; i++)
        IS(pthread_join(threads[i], NULL) == 0);
}

static char *cancelled_over;
static int cleaned_up;

static void clean_up(void *unused)
{
    (void)unused;
    cleaned_up = 1;
}

static void *sync_when_cancelled(void *unused)
{
    pthread_cleanup_push(clean_up, NULL);
    pthread_cancel(pthread_self());
    folio_msync(cancelled_over, 2 * PAGE, MS_ASYNC);
    pthread_cleanup_pop(0);
    return unused;
}

static void msync_is_a_cancellation_point(void)
{
    int fd = file_of(2);
    cancelled_over = map(fd, 2);
    for (int guarded = 0; guarded < 3; guarded++) {
        pthread_t thread;
        void *result;
        cleaned_up = 0;
        IS(pthread_create(&thread, NULL, sync_when_cancelled, NULL) == 0);
        IS(pthread_join(thread, &result) == 0);
        IS(result == PTHREAD_CANCELED && cleaned_up);
        if (guarded == 0)
            IS(folio_guard(cancelled_over, 2 * PAGE, FOLIO_ZEROS) == 0);
        else
            IS(ftruncate(fd, PAGE) == 0 && cancelled_over[PAGE] == 0);
    }
    IS(folio_msync(cancelled_over, 2 * PAGE, MS_SYNC) == -1 && errno == EIO);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
#define CASE(name) {#name, name}
    CASE(a_fault_is_a_signal_until_asked_otherwise),
    CASE(zeros_stand_in_and_check_tells),
    CASE(the_offset_of_a_fault_is_that_in_the_file),
    CASE(a_part_of_a_guard_can_be_undone),
    CASE(what_is_asked_wrongly_fails_with_einval),
    CASE(munmap_ends_a_guard_and_its_faults),
    CASE(munmap_of_a_part_leaves_the_rest),
    CASE(map_fixed_ends_what_it_replaces),
    CASE(a_new_mapping_takes_over_no_guard_from_an_old_one),
    CASE(mremap_takes_the_guard_along),
    CASE(mremap_ends_what_it_replaces),
    CASE(mremap_that_fails_leaves_the_guard),
    CASE(mremap_in_place_guards_what_was_added),
    CASE(mremap_over_zeros_only_cuts),
    CASE(msync_over_zeros_is_eio_until_the_file_is_back),
    CASE(restore_needs_the_file),
    CASE(copies_say_how_far_they_came),
    CASE(success_leaves_errno_alone),
    CASE(a_callback_is_told),
    CASE(a_message_is_cut_as_snprintf_cuts),
    CASE(guard_all_covers_mappings_of_others),
    CASE(signals_that_are_not_folios_arrive_where_they_did),
    CASE(a_forked_child_inherits_guards_and_faults),
    CASE(threads_do_not_take_each_others_guards),
    CASE(msync_is_a_cancellation_point),
};

int main(int count, char **words)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (count == 1)
            printf("%s\n", cases[i].name);
        else if (strcmp(words[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    }
    return count == 1 ? 0 : 2;
}
