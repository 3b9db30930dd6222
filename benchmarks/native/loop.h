/* One epoll loop for the process: file descriptors, timers in nanoseconds, a call after each
   turn. */
#ifndef LOOP_H
#define LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define SECOND 1000000000ull

struct watch {
    int fd;
    uint32_t events;
    void (*ready)(struct watch *watch, uint32_t events);
};

struct timer {
    uint64_t due;
    size_t place; /* in the heap, counted from 1; 0: not set */
    void (*fire)(struct timer *timer);
};

void loop_open(void);
/* Watch for `events`, or change what is watched for. */
void loop_watch(struct watch *watch, uint32_t events);
/* Stop watching, and close the descriptor. */
void loop_close(struct watch *watch);

void timer_set(struct timer *timer, uint64_t due);
void timer_cancel(struct timer *timer);

/* Nanoseconds of the monotonic clock. */
uint64_t now(void);

/* `after` is called at the end of every turn, when no event of the turn is left. */
void loop_run(void (*after)(void));
void loop_stop(void);

#endif
