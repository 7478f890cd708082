/* POSIX 2.9.5 Thread Cancellation: cancellation points shall occur when a thread executes writev(). A
 * library that stands in front of it, to see what is written to mapped files, must not change that. */
#include "../suite.h"
#include <pthread.h>
#include <sys/uio.h>

static int came_back;

static void *write_it(void *fd) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    struct iovec part = {"x", 1};
    must(writev(*(int *)fd, &part, 1) == 1);
    came_back = 1;
    return NULL;
}

TEST {
    pthread_t thread;
    void *result = NULL;
    int fd = file(page);
    must(pthread_create(&thread, NULL, write_it, &fd) == 0 && pthread_join(thread, &result) == 0);
    holds(result == PTHREAD_CANCELED && !came_back);
}
