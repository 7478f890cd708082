/*
 * What shm_writer and shm_reader share: one message at a time, in a shared-memory object.
 */
#include <semaphore.h>
#include <stdatomic.h>

struct mailbox {
    atomic_int open; /* 1 as soon as the semaphores can be used */
    sem_t ready; /* counts the messages not yet read: the writer is done with `text` */
    sem_t taken; /* the reader is done with `text` */
    char text[240];
};
