/* POSIX 2.9.5 Thread Cancellation: no other function of POSIX introduces one; mmap() is not listed. */
#include "../suite.h"
#include <pthread.h>

static int came_back;

static void *map_it(void *unused) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    void *p = mmap(unused, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    came_back = p != MAP_FAILED && mprotect(p, page, PROT_READ) == 0 && madvise(p, page, MADV_NORMAL) == 0 && munmap(p, page) == 0;
    return unused;
}

TEST {
    pthread_t thread;
    must(pthread_create(&thread, NULL, map_it, NULL) == 0 && pthread_join(thread, NULL) == 0);
    holds(came_back);
}
