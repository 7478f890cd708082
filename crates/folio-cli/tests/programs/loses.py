# Maps a file, cuts it, and sums the bytes it reads.
import mmap
import sys

with open(sys.argv[1], "r+b") as file:
    bytes = mmap.mmap(file.fileno(), 0)
    file.truncate(4096)
    print(bytes[9000], sum(bytes[i] for i in range(len(bytes))))
