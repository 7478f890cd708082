// Makes a function at run time that writes a byte to where its argument points, and lets it touch COUNT fresh pages.
// Tells its name as perf(1) wants it: in the file that it prints the name of, /tmp/perf-PID.map.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define APART (16 * 4096L)

int main(int words, char **word) {
    if (words < 2)
        return 2;
    long count = atol(word[1]);
    // push %rbp; mov %rsp,%rbp; movb $1,(%rdi); pop %rbp; ret
    static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xc6, 0x07, 0x01, 0x5d, 0xc3};
    int fresh = MAP_PRIVATE | MAP_ANONYMOUS;
    char *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, fresh, -1, 0);
    char *pages = mmap(NULL, count * APART, PROT_READ | PROT_WRITE, fresh, -1, 0);
    if (made == MAP_FAILED || pages == MAP_FAILED)
        return 3;
    madvise(pages, count * APART, MADV_NOHUGEPAGE);
    memcpy(made + 64, code, sizeof code);
    if (mprotect(made, 4096, PROT_READ | PROT_EXEC))
        return 4;
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
    FILE *map = fopen(path, "w");
    if (!map)
        return 5;
    fprintf(map, "%lx 40 something_else\n%lx %zx made_at_run_time /srv/app:12\n", (long)made, (long)made + 64,
            sizeof code);
    fclose(map);
    void (*touch)(char *) = (void (*)(char *))(made + 64);
    for (long page = 0; page < count; page++)
        touch(pages + page * APART);
    printf("%s\n", path);
    return 0;
}
