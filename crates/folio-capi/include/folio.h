/*
 * folio.h: memory mapping whose faults can be asked about. The manual of libfolio.
 *
 * Example: the lines of a file that somebody may truncate meanwhile. A bare mmap(2) would end this
 * program with SIGBUS.
 *
 *     #include <fcntl.h>
 *     #include <stdio.h>
 *     #include <sys/stat.h>
 *     #include <unistd.h>
 *     #include <folio.h>
 *
 *     int main(int count, char **words)
 *     {
 *         int fd = open(count > 1 ? words[1] : "/etc/passwd", O_RDONLY);
 *         struct stat file;
 *         if (fd < 0 || fstat(fd, &file) != 0 || file.st_size == 0) {
 *             perror("open");
 *             return 1;
 *         }
 *         size_t len = (size_t)file.st_size;
 *         char *text = (char *)folio_mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
 *         if (text == MAP_FAILED || folio_guard(text, len, FOLIO_ZEROS) != 0) {
 *             perror("map");
 *             return 1;
 *         }
 *
 *         size_t lines = 0;
 *         for (size_t i = 0; i < len; i++)
 *             lines += text[i] == '\n';
 *
 *         struct folio_fault fault;
 *         if (folio_check(text, len, &fault)) { // some of those bytes were zeros instead
 *             char message[512];
 *             folio_fault_message(&fault, message, sizeof message);
 *             fprintf(stderr, "%s\n", message);
 *             return 1;
 *         }
 *         printf("%zu lines\n", lines);
 *         return folio_munmap(text, len);
 *     }
 *
 * Compile with `cc lines.c $(pkg-config --cflags --libs folio)`; in CMake, find_package(folio) and
 * target_link_libraries(lines folio::folio), or folio::folio_static.
 *
 * What there is
 *
 *     the calls of mmap(2) and its kin      folio_mmap ... folio_shm_unlink
 *     what a fault does                     folio_guard, folio_guard_all
 *     whether there was one                 folio_check, folio_restore, folio_on_fault
 *     copying, with faults as results       folio_read, folio_write
 *     faults as text, the version           folio_fault_message, folio_version
 *
 * What a fault is: a byte of a mapping that cannot be had. Its file was truncated, its disk failed,
 * its file system is full, its memory broke. The kernel says so with SIGBUS, and so it stays until a
 * program asks otherwise: the library installs a signal handler with the first folio_guard,
 * folio_guard_all, folio_read or folio_write, starts a thread with the first folio_on_fault, and
 * changes nothing else about the process.
 *
 * The kernel faults by the page: behind a file's end, the rest of its last page reads as zeros without
 * a fault, so nothing here tells of a file that was cut within a page. Who must know compares the
 * length that fstat(2) gives afterwards with the one before.
 *
 * What holds for every call
 *
 *   - Addresses and lengths are in bytes. A length that is no multiple of the page size means whole
 *     pages, up to the end of the last, as for mmap(2).
 *   - A call that fails returns -1 (MAP_FAILED where it returns an address) and sets errno. One that
 *     succeeds leaves errno as it was.
 *   - Every call may be made by several threads at once.
 *   - Calls marked "async-signal-safe" may be made in a signal handler, as in signal-safety(7). The
 *     others take locks and may allocate: not in a signal handler, and in the child of a fork(2)
 *     that other threads were running at, not before an exec.
 *   - Nothing unwinds out of a call; folio_msync and folio_shm_open are cancellation points, as in the
 *     C library. A callback must not leave by an exception or longjmp(3).
 *
 * Handlers of others: folio's handler of SIGBUS (and of SIGSEGV, from the first folio_read or
 * folio_write on) passes on every signal that is not folio's to whom it would have reached without:
 * an older handler, with its mask and stack, or the default action. A handler that a program
 * installs later comes before folio's, and has to pass on what is not its own.
 *
 * C11 or C++17, Linux 6.x on x86-64. Compiles with and without _GNU_SOURCE and
 * _FILE_OFFSET_BITS=64 (off_t has 64 bits either way). <folio_names.h> gives these calls the names
 * without prefix, for sources that exist.
 */
#ifndef FOLIO_H
#define FOLIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>

#if !defined(__linux__) || !defined(__x86_64__) || defined(__ILP32__)
#error "libfolio runs on Linux on x86-64"
#endif

#define FOLIO_VERSION_MAJOR 0
#define FOLIO_VERSION_MINOR 1
#define FOLIO_VERSION_PATCH 0
#define FOLIO_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The calls of mmap(2) and its kin ---------------------------------------------------------
 *
 * Signature, meaning, result and errno are those of the man page, which is the contract; here stands
 * what one needs most, and what differs. What differs concerns pages that a program has asked to be
 * guarded, and is nothing before.
 *
 * A program that guards pages changes their mappings with these calls, not with those of the C
 * library: only these know that a guard ends with its mapping. A guard that outlives its mapping
 * would serve whatever comes to lie at its addresses next; folio_mmap takes such leftovers away.
 *
 * Async-signal-safe, as far as the C library's are, as long as nothing is guarded and no fault was
 * met; but folio_mmap, folio_munmap, folio_mremap and folio_msync not after that.
 */

/*
 * Maps `len` bytes of the file `fd` from byte `offset` on, or anonymous memory.
 *
 * addr     NULL, a hint, or the address itself with MAP_FIXED, MAP_FIXED_NOREPLACE
 * prot     PROT_NONE, or PROT_READ | PROT_WRITE | PROT_EXEC
 * flags    MAP_SHARED, MAP_SHARED_VALIDATE or MAP_PRIVATE, and more: see the man page
 * offset   a multiple of the page size (of the huge page size, for huge pages)
 *
 * With MAP_FIXED, what was guarded at the addresses is not guarded any more. A new mapping never is.
 *
 * Returns the address. Errors: EACCES (the descriptor's mode does not permit it, or no regular
 * file), EAGAIN (RLIMIT_MEMLOCK, file locked), EBADF, EEXIST (MAP_FIXED_NOREPLACE), EINVAL (length 0;
 * address, length or offset misaligned or too large; flags), ENFILE, ENODEV (the file cannot be
 * mapped), ENOMEM (memory, address space, RLIMIT_AS, RLIMIT_DATA, vm.max_map_count), EOPNOTSUPP
 * (MAP_SHARED_VALIDATE), EOVERFLOW, EPERM (a seal, a noexec mount, huge pages without permission),
 * ETXTBSY. See mmap(2).
 */
void *folio_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

/*
 * Unmaps the pages of `len` bytes from `addr` on; addresses without a mapping are no error.
 *
 * Guards in the range end, and faults met there are forgotten: check before. If the call fails, a
 * guard of the whole range stays; one of a part of it may be gone.
 *
 * Returns 0. Errors: EINVAL (`addr` not the start of a page, length 0, beyond the address space),
 * ENOMEM (vm.max_map_count, for a part of a mapping), EPERM (mseal(2)). See munmap(2).
 */
int folio_munmap(void *addr, size_t len);

/*
 * Changes the protection of the pages of `len` bytes from `addr` on. Guards stay.
 *
 * Returns 0. Errors: EACCES (more than the descriptor permitted), EINVAL (`addr` not the start of a
 * page, `prot`), ENOMEM (not mapped, vm.max_map_count), EPERM (mseal(2)). See mprotect(2).
 */
int folio_mprotect(void *addr, size_t len, int prot);

/*
 * Writes the changed pages of `len` bytes from `addr` on to the file: MS_SYNC and waits, or MS_ASYNC;
 * MS_INVALIDATE.
 *
 * Differs: where a guard has put zeros in the place of lost pages, what was written there is in no
 * file, so the call fails with EIO, after it has done its work for the other pages.
 *
 * Returns 0. Errors: EBUSY (MS_INVALIDATE and a locked page), EINVAL (`addr` not the start of a page,
 * `flags`), EIO (the device or file system; zeros), ENOMEM (not mapped). See msync(2).
 */
int folio_msync(void *addr, size_t len, int flags);

/*
 * Says how the pages of `len` bytes from `addr` on will be used, or does something to them:
 * MADV_WILLNEED, MADV_DONTNEED, MADV_POPULATE_READ, ... Guards stay.
 *
 * Returns 0. Errors: EACCES, EAGAIN, EBADF (not a file), EBUSY, EFAULT and EHWPOISON
 * (MADV_POPULATE_READ, MADV_POPULATE_WRITE), EINVAL, EIO, ENOMEM (not mapped), EPERM. See madvise(2).
 */
int folio_madvise(void *addr, size_t len, int advice);

/*
 * Makes a mapping longer or shorter, and moves it where it may.
 *
 * flags    MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP (from <sys/mman.h> with _GNU_SOURCE)
 * ...      void *new_address, with MREMAP_FIXED or MREMAP_DONTUNMAP
 *
 * A guard of all the old pages goes with the mapping and covers it all; one of a part of them ends
 * if the mapping may move. What was guarded at addresses given up or replaced is not guarded any
 * more, and faults met there are forgotten.
 *
 * Differs: EFAULT where zeros stand in for lost pages, unless the mapping is only cut where it lies.
 * The kernel says the same, mostly: those zeros are mappings of their own. folio_restore first.
 *
 * Returns the address. Errors: EAGAIN (a locked mapping, RLIMIT_MEMLOCK), EFAULT (not mapped, more
 * than one mapping), EINVAL (misaligned, overlapping, flags), ENOMEM (no room to grow without
 * MREMAP_MAYMOVE; memory, address space), EPERM (mseal(2)). See mremap(2).
 */
void *folio_mremap(void *old_address, size_t old_size, size_t new_size, int flags, ...);

/*
 * Locks the pages of `len` bytes from `addr` on into memory, and brings them in.
 *
 * Returns 0. Errors: EAGAIN (some could not be locked), EINVAL (overflow), ENOMEM (not mapped,
 * RLIMIT_MEMLOCK, or a page that cannot be had), EPERM (RLIMIT_MEMLOCK is 0). See mlock(2).
 */
int folio_mlock(const void *addr, size_t len);

/*
 * Unlocks them.
 *
 * Returns 0. Errors: EINVAL (overflow), ENOMEM (not mapped). See munlock(2).
 */
int folio_munlock(const void *addr, size_t len);

/*
 * Locks all pages of the process: MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT.
 *
 * Returns 0. Errors: EAGAIN, EINVAL (flags), ENOMEM (RLIMIT_MEMLOCK), EPERM (RLIMIT_MEMLOCK is 0).
 * See mlockall(2).
 */
int folio_mlockall(int flags);

/*
 * Unlocks them.
 *
 * Returns 0. Errors: EPERM (Linux before 2.6.9). See munlockall(2).
 */
int folio_munlockall(void);

/*
 * Tells which pages are in memory: the lowest bit of `vec[i]` is that of page i. `vec` has a byte for
 * each page of the range.
 *
 * Returns 0. Errors: EAGAIN, EFAULT (`vec`), EINVAL (`addr` not the start of a page), ENOMEM (not
 * mapped, beyond the address space). See mincore(2).
 */
int folio_mincore(void *addr, size_t len, unsigned char *vec);

/*
 * Opens the shared-memory object `name` ("/some-name"), and creates it with O_CREAT.
 *
 * oflag    O_RDONLY or O_RDWR, with O_CREAT, O_EXCL, O_TRUNC
 * mode     permission bits of a new object, as for open(2)
 *
 * Returns a descriptor with FD_CLOEXEC. Errors: EACCES, EEXIST (O_CREAT | O_EXCL), EINVAL (name),
 * EMFILE, ENAMETOOLONG, ENFILE, ENOENT. See shm_open(3). Not async-signal-safe.
 */
int folio_shm_open(const char *name, int oflag, mode_t mode);

/*
 * Removes the name of a shared-memory object; it lives as long as somebody maps it or has it open.
 *
 * Returns 0. Errors: EACCES, EINVAL (name), ENAMETOOLONG, ENOENT. See shm_unlink(3). Not
 * async-signal-safe.
 */
int folio_shm_unlink(const char *name);

/* ---- Faults ----------------------------------------------------------------------------------- */

/* What went wrong. Later versions may know more. */
enum folio_fault_kind {
    FOLIO_FAULT_TRUNCATED = 1,  /* the file ends before the offset */
    FOLIO_FAULT_IO = 2,         /* the device or file system failed to deliver the page */
    FOLIO_FAULT_NO_SPACE = 3,   /* no memory, huge page or disk block was left for the page */
    FOLIO_FAULT_POISON = 4,     /* the memory itself is broken */
    FOLIO_FAULT_PROTECTION = 5, /* the page's protection forbids the access */
    FOLIO_FAULT_UNMAPPED = 6,   /* nothing is mapped at the address */
    FOLIO_FAULT_UNEXPLAINED = 7 /* the backing can no longer be asked why */
};

/* What the program was doing. */
enum folio_access {
    FOLIO_ACCESS_READ = 1,
    FOLIO_ACCESS_WRITE = 2 /* a store, or an atomic operation that may store */
};

/*
 * A byte that could not be had. Filled in by the calls below; plain data, that may be copied. Fields
 * may come to stand in `reserved`, which is all 0 until then; the size stays.
 */
struct folio_fault {
    int kind;             /* enum folio_fault_kind */
    int access;           /* enum folio_access */
    int error;            /* the errno that the backing gave when asked (EIO, ENOSPC, ...), or 0 */
    int reserved_int;
    void *address;        /* of the byte; of any byte of its page, unless folio_read or folio_write
                             met it; NULL where it is not known */
    uint64_t offset;      /* of the same byte, in the file */
    size_t done;          /* bytes that folio_read or folio_write copied before it, otherwise 0 */
    uint64_t device;      /* st_dev and st_ino of the file (stat(2)), or both 0 */
    uint64_t inode;
    uint64_t reserved[9];
    char path[4096];      /* of the file, ended by a 0; empty where none is known */
};

/* What a fault does. */
enum folio_response {
    FOLIO_SIGNAL = 0,         /* SIGBUS, as without folio */
    FOLIO_ZEROS = 1,          /* zeros take the place of the page; folio_check tells */
    FOLIO_ZEROS_AND_TELL = 2, /* the same, and a line on standard error; only folio_guard_all */
    FOLIO_STOP = 3            /* a line on standard error, and _exit(1); only folio_guard_all */
};

/*
 * Says what a fault does in the pages that `len` bytes from `addr` on touch.
 *
 * response  FOLIO_ZEROS: at a fault, a page of zeros takes the place of the lost one and the program
 *           goes on. What it writes there is its own and reaches no file. folio_check tells.
 *           FOLIO_SIGNAL: undoes that, also for a part of what was guarded; zeros that are there
 *           stay, and so does what folio_check knows.
 *
 * For any mapping of the process, whoever made it; addresses where nothing is mapped are no error.
 * Memory of the program's own, such as that of malloc(3), needs no guard; a mapping sealed by
 * mseal(2) takes no zeros, so it gets the signal still. A guard costs no access anything until there
 * is a fault. A system call that is handed a lost page gets EFAULT, guard or no guard; the program's
 * next own access puts the zeros there. Executing a lost page is a signal still.
 *
 * The first call installs folio's handler of SIGBUS. A thread that blocks SIGBUS dies at a fault
 * nevertheless (signal(7)). A forked child inherits guards, and exec ends them.
 *
 * Returns 0. Errors: EINVAL (length 0, overflow, `response`), ENOMEM, and those of sigaction(2). Not
 * async-signal-safe.
 */
int folio_guard(void *addr, size_t len, int response);

/*
 * The same for all file mappings of the process, those of libraries and those yet to come included.
 *
 * response  FOLIO_ZEROS, FOLIO_ZEROS_AND_TELL or FOLIO_STOP; FOLIO_SIGNAL undoes that, and leaves
 *           what folio_guard guards. The last call is what counts.
 *
 * Returns 0. Errors: EINVAL (`response`), ENOMEM, and those of sigaction(2). Not async-signal-safe.
 */
int folio_guard_all(int response);

/*
 * Tells whether zeros stand in, or stood in when a fault was met, for pages that `len` bytes from
 * `addr` on touch. Ask after using the bytes, before trusting what was made of them.
 *
 * fault    filled in if there was one: the first of its run of neighbouring pages. May be NULL.
 *
 * A fault stays known until folio_restore, or until the mapping ends. Up to 4096 runs of neighbouring
 * pages can be known at a time, in the whole process; what is beyond that reads as zeros and is not.
 *
 * Returns 0 (none), 1 (a fault), or -1. Errors: EINVAL (overflow). Not async-signal-safe.
 */
int folio_check(const void *addr, size_t len, struct folio_fault *fault);

/*
 * Puts the file back where zeros stand in for pages that `len` bytes from `addr` on touch, and
 * forgets the faults there. What was written to the zeros is lost. Pages that still cannot be had are
 * a fault again at the next access. Nobody may use the bytes meanwhile.
 *
 * fault    filled in with one of the faults that were forgotten. May be NULL.
 *
 * Returns 0 (there was no fault), 1 (there was one), or -1, and what could not be put back is still
 * a fault for folio_check. Errors: EINVAL (overflow), ENOENT (the file has no name any more, and this
 * process has no descriptor of it), and those of mmap(2). Not async-signal-safe.
 */
int folio_restore(void *addr, size_t len, struct folio_fault *fault);

/*
 * Copies `len` bytes that are mapped at `mapped` to `to`. Needs no guard, and leaves nothing behind:
 * a fault is the result of this call and of no other.
 *
 * mapped   any address; where nothing is mapped, that is a fault as well (FOLIO_FAULT_UNMAPPED)
 * to       memory of the program's own, which cannot fault, and does not overlap `mapped`
 * fault    filled in if there was one. May be NULL.
 *
 * Returns the bytes copied, exactly. Fewer than `len` says that the byte after them could not be
 * had; errno is then the fault's `error`, or EFAULT if that is 0. Returns -1 if nothing was tried.
 * Errors: EINVAL (`len` over SSIZE_MAX), and those of sigaction(2). Where others change the bytes
 * meanwhile, some of them may be old and some new. The first call installs folio's handlers of
 * SIGBUS and SIGSEGV; later ones are async-signal-safe as long as there is no fault.
 */
ssize_t folio_read(void *to, const void *mapped, size_t len, struct folio_fault *fault);

/*
 * Copies `len` bytes from `from` to where a file is mapped. The same contract, the other way round:
 * what was returned as copied is in the mapping, and for MAP_SHARED in the file's page cache;
 * folio_msync puts it on the disk.
 */
ssize_t folio_write(void *mapped, const void *from, size_t len, struct folio_fault *fault);

/* Is told of a fault. `fault` is valid until it returns; `context` is what folio_on_fault was given. */
typedef void (*folio_callback)(const struct folio_fault *fault, void *context);

/*
 * Has `callback` told of faults where zeros took the place of a page, in the whole process: of the
 * first in each run of neighbouring pages. It runs on a thread of folio's own, named "folio-faults",
 * soon after the fault; it may allocate, lock and log. Of more than 32 at once some may not be told
 * of; folio_check knows them all the same.
 *
 * It replaces the last callback; NULL: nobody is told. One that was replaced may still be running when
 * this returns, so `context` has to stay valid for good. A forked child has no such thread until it
 * makes this call itself.
 *
 * Returns 0. Errors: EAGAIN (no thread, pthread_create(3)), ENOMEM. Not async-signal-safe.
 */
int folio_on_fault(folio_callback callback, void *context);

/*
 * Writes a fault as one line of text without newline, such as
 * "/tmp/data: truncated at offset 4096: the file ended before it", to `buffer` of `size` bytes: as
 * much as has room, always ended by a 0 unless `size` is 0, in which case `buffer` may be NULL.
 * Control characters in the path are escaped (\n, \x1b).
 *
 * Returns the length of the whole text without the 0, as snprintf(3) does: it was cut if that is
 * `size` or more. Cannot fail. Async-signal-safe.
 */
size_t folio_fault_message(const struct folio_fault *fault, char *buffer, size_t size);

/*
 * The version of the library that runs: FOLIO_VERSION is that of this header. A string that stays.
 * Cannot fail. Async-signal-safe.
 */
const char *folio_version(void);

#ifdef __cplusplus
}
#endif

#endif
