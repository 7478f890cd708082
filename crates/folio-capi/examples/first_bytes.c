/*
 * The first 24 bytes of a file, through a private mapping.
 *
 * first_bytes [FILE]; without a file, this source.
 */
#define _XOPEN_SOURCE 700
#include <ctype.h>
#include <fcntl.h>
#include <folio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *path)
{
    fprintf(stderr, "first_bytes: ");
    perror(path);
    return 1;
}

int main(int count, char **words)
{
    const char *path = count > 1 ? words[1] : __FILE__;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;
    if (fd < 0 || fstat(fd, &file) != 0)
        return fail(path);
    if (file.st_size == 0) {
        printf("%s: empty, so nothing is mapped\n", path);
        return 0;
    }
    size_t len = (size_t)file.st_size;
    void *map = folio_mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return fail(path);

    /* A copy: whatever others do to the file, this returns. */
    unsigned char bytes[24];
    size_t wanted = len < sizeof bytes ? len : sizeof bytes;
    struct folio_fault fault;
    if (folio_read(bytes, map, wanted, &fault) != (ssize_t)wanted) {
        char message[512];
        folio_fault_message(&fault, message, sizeof message);
        fprintf(stderr, "first_bytes: %s\n", message);
        return 1;
    }

    printf("%s: %zu bytes, mapped at %p\n", path, len, map);
    for (size_t line = 0; line < wanted; line += 12) {
        char hex[12 * 3 + 1] = "", text[12 + 1] = "";
        for (size_t i = 0; i < 12 && line + i < wanted; i++) {
            unsigned char byte = bytes[line + i];
            snprintf(hex + 3 * i, 4, "%02x ", byte);
            text[i] = isgraph(byte) ? (char)byte : '.';
        }
        printf("  %4zu  %-36s %s\n", line, hex, text);
    }
    if (folio_munmap(map, len) != 0)
        return fail(path);
    close(fd);
    return 0;
}
