"""A process with 65,000 mappings, of which every other shows a page, until standard input ends."""
import ctypes, mmap, sys
pages = 65000
libc = ctypes.CDLL(None, use_errno=True)
memory = mmap.mmap(-1, pages * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
# MADV_NOHUGEPAGE
libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(pages * 4096), 15)
for page in range(0, pages, 2):
    memory[page * 4096] = 1
    # Every other page may not be written: a mapping for each.
    at = ctypes.c_void_p(start + page * 4096)
    if libc.mprotect(at, ctypes.c_size_t(4096), 1) != 0:
        break
print("ready", flush=True)
sys.stdin.read()
