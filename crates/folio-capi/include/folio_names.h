/*
 * folio_names.h: the calls of folio.h under the names without prefix.
 *
 * For sources that call mmap() and are to call folio_mmap(): include it after every other header, or
 * give the compiler `-include folio_names.h`; that includes <sys/mman.h> before a source's own
 * `#define _GNU_SOURCE`, which therefore has to become `-D_GNU_SOURCE`. Calls and addresses of
 * functions (`&mmap`) are renamed alike, and so is everything else of these names in the lines that
 * follow, such as a structure's field `mmap`.
 *
 * mmap64 is mmap: off_t has 64 bits on x86-64, with _FILE_OFFSET_BITS=64 and without. What is not
 * renamed is the C library's, and works on the same mappings: mlock2, posix_madvise,
 * remap_file_pages, memfd_create. syscall(SYS_mmap, ...) reaches the kernel, past libfolio as past
 * the C library.
 */
#ifndef FOLIO_NAMES_H
#define FOLIO_NAMES_H

#include <folio.h>

#define mmap folio_mmap
#define mmap64 folio_mmap
#define munmap folio_munmap
#define mprotect folio_mprotect
#define msync folio_msync
#define madvise folio_madvise
#define mremap folio_mremap
#define mlock folio_mlock
#define munlock folio_munlock
#define mlockall folio_mlockall
#define munlockall folio_munlockall
#define mincore folio_mincore
#define shm_open folio_shm_open
#define shm_unlink folio_shm_unlink

#endif
