/* mmap(2), ERRORS EPERM: PROT_EXEC, but the file's file system is mounted no-exec. */
#include "../suite.h"
#include <sched.h>
#include <sys/mount.h>

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    must(fd != -1 && write(fd, text, strlen(text)) != -1 && close(fd) == 0);
}

TEST {
    char uids[64], gids[64];
    int root = geteuid() == 0;
    snprintf(uids, sizeof uids, "%u %u 1", geteuid(), geteuid());
    snprintf(gids, sizeof gids, "%u %u 1", getegid(), getegid());
    needs(unshare(root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) == 0, "a mount namespace of its own");
    if (!root) {
        put("/proc/self/setgroups", "deny");
        put("/proc/self/uid_map", uids);
        put("/proc/self/gid_map", gids);
    }
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    needs(mount("none", "/tmp", "tmpfs", MS_NOEXEC, NULL) == 0, "the right to mount a tmpfs");
    int fd = open("/tmp/file", O_RDWR | O_CREAT, 0700);
    must(fd != -1);
    fill(fd, page);
    fails(mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), EPERM);
}
