#include "loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 256

static int epoll_fd, timer_fd;
static uint64_t armed; /* what timer_fd is set to; 0: nothing */
static bool is_running;

static struct timer **heap; /* heap[1] is due first */
static size_t heap_size, heap_capacity;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

void loop_open(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (epoll_fd < 0 || timer_fd < 0)
        fail("epoll or timerfd");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event))
        fail("epoll_ctl");
}

void loop_watch(struct watch *watch, uint32_t events)
{
    if (watch->events == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    int action = watch->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(epoll_fd, action, watch->fd, &event))
        fail("epoll_ctl");
    watch->events = events;
}

void loop_close(struct watch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd); /* which also ends the watching */
    watch->fd = -1;
    watch->events = 0;
}

static void put(size_t place, struct timer *timer)
{
    heap[place] = timer;
    timer->place = place;
}

static void settle(size_t place, struct timer *timer)
{
    while (place > 1 && heap[place / 2]->due > timer->due) {
        put(place, heap[place / 2]);
        place /= 2;
    }
    for (size_t child; (child = 2 * place) <= heap_size; place = child) {
        if (child < heap_size && heap[child + 1]->due < heap[child]->due)
            child++;
        if (heap[child]->due >= timer->due)
            break;
        put(place, heap[child]);
    }
    put(place, timer);
}

void timer_set(struct timer *timer, uint64_t due)
{
    timer->due = due;
    if (timer->place) {
        settle(timer->place, timer);
        return;
    }
    if (heap_size + 2 > heap_capacity) {
        heap_capacity = heap_capacity ? 2 * heap_capacity : 64;
        heap = realloc(heap, heap_capacity * sizeof *heap);
        if (!heap)
            fail("timers");
    }
    settle(++heap_size, timer);
}

void timer_cancel(struct timer *timer)
{
    size_t place = timer->place;
    if (!place)
        return;
    timer->place = 0;
    struct timer *last = heap[heap_size--];
    if (last != timer)
        settle(place, last);
}

static void fire_due(void)
{
    uint64_t time = heap_size ? now() : 0;
    while (heap_size && heap[1]->due <= time) {
        struct timer *timer = heap[1];
        timer_cancel(timer);
        timer->fire(timer);
    }
}

static void arm(void)
{
    uint64_t due = heap_size ? heap[1]->due : 0;
    if (due == armed)
        return;
    armed = due;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(due / SECOND), .tv_nsec = (long)(due % SECOND)}};
    if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL))
        fail("timerfd_settime");
}

static void handle(struct epoll_event *event)
{
    if (event->data.ptr) {
        struct watch *watch = event->data.ptr;
        watch->ready(watch, event->events);
        return;
    }
    uint64_t times;
    if (read(timer_fd, &times, sizeof times) < 0 && errno != EAGAIN)
        fail("timerfd");
    armed = 0;
}

void loop_run(void (*after)(void))
{
    struct epoll_event events[MAX_EVENTS];
    is_running = true;
    while (is_running) {
        arm();
        int count = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < count; i++)
            handle(&events[i]);
        fire_due();
        after();
    }
}

void loop_stop(void) { is_running = false; }
