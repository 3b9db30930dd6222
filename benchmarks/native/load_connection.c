/* The connections of http_load: each sends its next request when its answer has ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "answer_body.h"
#include "event_stream.h"
#include "load.h"
#include "loop.h"
#include "net.h"

#define READ_SIZE (256 * 1024)
#define REOPEN_DELAY (SECOND / 50)
#define MILLISECOND 1e6
#define LONGEST_SAMPLE 400

struct connection {
    struct watch watch;
    struct timer timer; /* when to open it */
    struct answer_reader reader;
    struct event_stream stream;
    struct bytes body;  /* of what is no stream of events */
    struct bytes error; /* what the stream said was wrong */
    size_t written;
    bool is_asking, is_connecting, has_ended_stream;
    uint64_t began, last_event, last_byte;
    uint64_t events, events_within;
    long long tokens;
};

static const struct load_plan *plan;
static struct load_results *results;
static struct connection *connections;
static uint64_t num_asked, num_ended;
static uint64_t arrival; /* of the bytes that are being read */
static struct timer watchdog, end;

static void open_connection(struct connection *connection);

/* Whether there is another request to send. */
static bool take_request(void)
{
    if (plan->num_requests && num_asked == plan->num_requests)
        return false;
    num_asked++;
    return true;
}

static bool counts(uint64_t time) { return time >= results->began; }

static void close_later(struct connection *connection, uint64_t delay)
{
    loop_close(&connection->watch);
    connection->is_asking = false;
    timer_set(&connection->timer, now() + delay);
}

static void note_end(void)
{
    if (++num_ended == plan->num_requests)
        loop_stop();
}

static void add_error(const char *text, size_t size)
{
    results->errors++;
    size = size < LONGEST_SAMPLE ? size : LONGEST_SAMPLE;
    for (size_t i = 0; i < results->num_error_samples; i++)
        if (strlen(results->error_samples[i]) == size &&
            !memcmp(results->error_samples[i], text, size))
            return;
    if (results->num_error_samples < MAX_ERROR_SAMPLES)
        results->error_samples[results->num_error_samples++] = strndup(text, size);
}

/* The connection is of no more use. */
static void fail(struct connection *connection, const char *text)
{
    if (counts(now()))
        add_error(text, strlen(text));
    close_later(connection, REOPEN_DELAY);
    note_end();
}

static void add_answer(struct connection *connection)
{
    bool is_counted = connection->tokens >= 0;
    uint64_t tokens = is_counted ? (uint64_t)connection->tokens : 0;
    double share = 1;
    if (connection->events)
        share = (double)connection->events_within / (double)connection->events;
    results->requests++;
    results->without_usage += !is_counted;
    results->tokens += tokens;
    results->usage_events += is_counted ? connection->events : 0;
    results->tokens_within +=
        is_counted ? share * (double)tokens : (double)connection->events_within;
    samples_add(&results->latency, (double)(arrival - connection->began) / MILLISECOND);
}

/* What is wrong with an answer that has come whole, or NULL. */
static const char *problem(struct connection *connection)
{
    static char text[LONGEST_SAMPLE];
    int status = connection->reader.status;
    if (status / 100 != 2) {
        snprintf(text, sizeof text, "HTTP %d: %.*s", status,
                 (int)bytes_size(&connection->body), (const char *)bytes_front(&connection->body));
        return text;
    }
    if (bytes_size(&connection->error)) {
        snprintf(text, sizeof text, "%.*s", (int)bytes_size(&connection->error),
                 (const char *)bytes_front(&connection->error));
        return text;
    }
    if (plan->is_stream && !connection->has_ended_stream)
        return "the stream ended without [DONE]";
    return NULL;
}

static void read_whole(struct connection *connection)
{
    struct bytes *body = &connection->body;
    if (plan->is_stream || !bytes_size(body))
        return;
    connection->tokens =
        what_is_said((const char *)bytes_front(body), bytes_size(body)).tokens;
}

static void write_request(struct connection *connection)
{
    const struct bytes *request = &plan->request;
    while (connection->written < bytes_size(request)) {
        ssize_t size = send(connection->watch.fd, bytes_front(request) + connection->written,
                            bytes_size(request) - connection->written, MSG_NOSIGNAL);
        if (size < 0 && errno != EINTR)
            break; /* a connection that is lost is noticed when it is read */
        connection->written += size > 0 ? (size_t)size : 0;
    }
    bool is_written = connection->written == bytes_size(request);
    loop_watch(&connection->watch, is_written ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void ask(struct connection *connection)
{
    answer_begin(&connection->reader);
    events_begin(&connection->stream);
    bytes_take(&connection->body, bytes_size(&connection->body));
    bytes_take(&connection->error, bytes_size(&connection->error));
    connection->is_asking = true;
    connection->has_ended_stream = false;
    connection->written = 0;
    connection->events = connection->events_within = 0;
    connection->tokens = -1;
    connection->began = connection->last_byte = now();
    write_request(connection);
}

static void end_answer(struct connection *connection)
{
    connection->is_asking = false;
    read_whole(connection);
    const char *text = problem(connection);
    if (counts(arrival) && text)
        add_error(text, strlen(text));
    else if (counts(arrival))
        add_answer(connection);
    if (connection->reader.is_last)
        close_later(connection, 0);
    else if (take_request())
        ask(connection);
    else
        loop_close(&connection->watch);
    note_end();
}

static void on_event(void *receiver, const char *data, size_t size)
{
    struct connection *connection = receiver;
    struct said said = what_is_said(data, size);
    connection->has_ended_stream |= said.is_end;
    if (said.tokens >= 0)
        connection->tokens = said.tokens;
    if (said.has_error && !bytes_size(&connection->error))
        bytes_add(&connection->error, data, size);
    if (!said.has_text)
        return;
    if (counts(arrival)) {
        uint64_t since = connection->events ? connection->last_event : connection->began;
        samples_add(connection->events ? &results->gaps : &results->first,
                    (double)(arrival - since) / MILLISECOND);
        results->events++;
        connection->events_within++;
    }
    connection->events++;
    connection->last_event = arrival;
}

static void on_body(void *receiver, const uint8_t *data, size_t size)
{
    struct connection *connection = receiver;
    if (plan->is_stream && connection->reader.status == 200)
        events_read(&connection->stream, data, size);
    else
        bytes_add(&connection->body, data, size);
}

static void on_lost(struct connection *connection, const char *text)
{
    if (answer_ends_with_connection(&connection->reader)) {
        connection->reader.is_last = true;
        end_answer(connection);
    } else {
        fail(connection, text);
    }
}

static void read_answer(struct connection *connection)
{
    static uint8_t data[READ_SIZE];
    ssize_t size = recv(connection->watch.fd, data, sizeof data, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    arrival = connection->last_byte = now();
    if (size <= 0) {
        on_lost(connection, size ? strerror(errno) : "the server closed the connection in the"
                                                     " middle of an answer");
        return;
    }
    if (counts(arrival))
        results->bytes += (uint64_t)size;
    answer_read(&connection->reader, data, (size_t)size);
    if (connection->reader.state == UNREADABLE)
        fail(connection, "the answer is not HTTP/1.1");
    else if (connection->reader.state == ANSWERED)
        end_answer(connection);
}

static void connection_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = CONTAINER(watch, struct connection, watch);
    if (connection->is_connecting) {
        int error = net_error(watch->fd);
        if (error) {
            fail(connection, strerror(error));
        } else {
            connection->is_connecting = false;
            ask(connection);
        }
        return;
    }
    if (events & EPOLLOUT)
        write_request(connection);
    if (events & ~(uint32_t)EPOLLOUT)
        read_answer(connection);
}

static void open_connection(struct connection *connection)
{
    if (!take_request())
        return;
    connection->is_connecting = true;
    connection->last_byte = now();
    connection->watch.fd = net_connect(plan->address, plan->port);
    if (connection->watch.fd < 0)
        fail(connection, strerror(errno));
    else
        loop_watch(&connection->watch, EPOLLOUT);
}

static void on_timer(struct timer *timer)
{
    open_connection(CONTAINER(timer, struct connection, timer));
}

static void give_up_silent_ones(struct timer *timer)
{
    uint64_t time = now(), limit = (uint64_t)(plan->timeout * (double)SECOND);
    for (size_t i = 0; i < plan->num_connections; i++) {
        struct connection *connection = &connections[i];
        bool is_waiting = connection->is_asking || connection->is_connecting;
        if (is_waiting && connection->watch.fd >= 0 && time > connection->last_byte + limit)
            fail(connection, "no byte came before --timeout");
    }
    timer_set(timer, time + SECOND);
}

static void on_end(struct timer *timer)
{
    (void)timer;
    loop_stop();
}

static void prepare(struct connection *connection, uint64_t due)
{
    connection->watch = (struct watch){.fd = -1, .ready = connection_ready};
    connection->reader.body = on_body;
    connection->stream.event = on_event;
    connection->reader.receiver = connection->stream.receiver = connection;
    connection->timer.fire = on_timer;
    timer_set(&connection->timer, due);
}

static void after_turn(void) {}

static void release(struct connection *connection)
{
    if (connection->is_asking)
        results->unfinished_events += connection->events_within;
    loop_close(&connection->watch);
    bytes_free(&connection->reader.line);
    bytes_free(&connection->stream.pending);
    bytes_free(&connection->stream.data);
    bytes_free(&connection->body);
    bytes_free(&connection->error);
}

void load_run(const struct load_plan *the_plan, struct load_results *the_results)
{
    plan = the_plan;
    results = the_results;
    connections = allocate(plan->num_connections * sizeof *connections);
    uint64_t start = now(), ramp = (uint64_t)(plan->ramp * (double)SECOND);
    results->began = start + (plan->num_requests ? 0 : ramp);
    for (size_t i = 0; i < plan->num_connections; i++)
        prepare(&connections[i], start + ramp * i / plan->num_connections);
    watchdog.fire = give_up_silent_ones;
    timer_set(&watchdog, start + SECOND);
    end.fire = on_end;
    if (!plan->num_requests)
        timer_set(&end, results->began + (uint64_t)(plan->seconds * (double)SECOND));
    loop_run(after_turn);
    results->ended = now();
    for (size_t i = 0; i < plan->num_connections; i++)
        release(&connections[i]);
    free(connections);
}
