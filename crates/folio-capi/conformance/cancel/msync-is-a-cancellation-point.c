/* POSIX 2.9.5 Thread Cancellation: cancellation points shall occur when a thread executes msync(). */
#include "../suite.h"
#include <pthread.h>

static int came_back;

static void *sync_it(void *p) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    msync(p, page, MS_SYNC);
    came_back = 1;
    return NULL;
}

TEST {
    pthread_t thread;
    void *result = NULL;
    must(pthread_create(&thread, NULL, sync_it, shared(file(page), page)) == 0 && pthread_join(thread, &result) == 0);
    holds(result == PTHREAD_CANCELED && !came_back);
}
