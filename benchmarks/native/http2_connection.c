#include "http2_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net.h"

/* What is written at once, and how much one connection sends before others have a turn. */
#define FULL (256 * 1024)
#define TURN (1024 * 1024)
#define READ_SIZE (64 * 1024)

static struct h2_connection marked = {.before = &marked, .after = &marked};

/* A ring's members have both neighbours or, outside the ring, none. */
#define RING_ADD(head, item)                                                                       \
    ((item)->before = (head)->before, (item)->after = (head), (head)->before->after = (item),      \
     (head)->before = (item))
#define RING_REMOVE(item)                                                                          \
    ((item)->before->after = (item)->after, (item)->after->before = (item)->before,                \
     (item)->before = (item)->after = NULL)

void h2_mark(struct h2_connection *connection)
{
    if (!connection->after)
        RING_ADD(&marked, connection);
}

struct h2_stream *h2_find(struct h2_connection *connection, uint32_t id)
{
    struct h2_stream *stream = connection->buckets[id / 2 % NUM_BUCKETS];
    while (stream && stream->id != id)
        stream = stream->next_in_bucket;
    return stream;
}

struct h2_stream *h2_open_stream(struct h2_connection *connection, uint32_t id)
{
    struct h2_stream **bucket = &connection->buckets[id / 2 % NUM_BUCKETS];
    struct h2_stream *stream = connection->service->open();
    stream->connection = connection;
    stream->id = id;
    stream->send_window = connection->initial_window;
    stream->next_in_bucket = *bucket;
    *bucket = stream;
    return stream;
}

void h2_close_stream(struct h2_stream *stream)
{
    struct h2_stream **link = &stream->connection->buckets[stream->id / 2 % NUM_BUCKETS];
    while (*link != stream)
        link = &(*link)->next_in_bucket;
    *link = stream->next_in_bucket;
    if (stream->after)
        RING_REMOVE(stream);
    bytes_free(&stream->trailers);
    stream->connection->service->close(stream);
}

static void close_connection(struct h2_connection *connection)
{
    for (size_t i = 0; i < NUM_BUCKETS; i++)
        while (connection->buckets[i])
            h2_close_stream(connection->buckets[i]);
    if (connection->after)
        RING_REMOVE(connection);
    loop_close(&connection->watch);
    hpack_free(&connection->hpack);
    bytes_free(&connection->in);
    bytes_free(&connection->out);
    bytes_free(&connection->block);
    free(connection);
}

static void frame_header(uint8_t *to, enum h2_type type, uint8_t flags, uint32_t stream,
                         size_t size)
{
    put_u32_be(to, (uint32_t)size << 8 | type);
    to[4] = flags;
    put_u32_be(to + 5, stream);
}

void h2_frame(struct h2_connection *connection, enum h2_type type, uint8_t flags, uint32_t stream,
              const void *payload, size_t size)
{
    uint8_t *frame = bytes_room(&connection->out, FRAME_HEADER + size);
    frame_header(frame, type, flags, stream, size);
    if (size)
        memcpy(frame + FRAME_HEADER, payload, size);
    bytes_added(&connection->out, FRAME_HEADER + size);
    h2_mark(connection);
}

void h2_headers(struct h2_stream *stream, const struct bytes *block)
{
    h2_frame(stream->connection, H2_HEADERS, END_HEADERS, stream->id, bytes_front(block),
             bytes_size(block));
}

void h2_wake(struct h2_stream *stream)
{
    if (!stream->after)
        RING_ADD(&stream->connection->wanting, stream);
    h2_mark(stream->connection);
}

void h2_finish(struct h2_stream *stream, const struct bytes *block)
{
    stream->is_finishing = true;
    bytes_add(&stream->trailers, bytes_front(block), bytes_size(block));
    h2_wake(stream);
}

static void finish(struct h2_stream *stream)
{
    struct h2_connection *connection = stream->connection;
    uint8_t no_error[4] = {0};
    h2_frame(connection, H2_HEADERS, END_HEADERS | END_STREAM, stream->id,
             bytes_front(&stream->trailers), bytes_size(&stream->trailers));
    if (!stream->has_ended)
        h2_frame(connection, H2_RST_STREAM, 0, stream->id, no_error, sizeof no_error);
    h2_close_stream(stream);
}

/* One frame of a stream, which then goes to the end of the ring or leaves it. */
static void send_some(struct h2_stream *stream)
{
    struct h2_connection *connection = stream->connection;
    const uint8_t *data;
    size_t size = connection->service->ready(stream, &data);
    RING_REMOVE(stream);
    if (!size) {
        if (stream->is_finishing)
            finish(stream);
        return;
    }
    if (stream->send_window <= 0)
        return;
    if (size > connection->max_frame)
        size = connection->max_frame;
    if ((int64_t)size > stream->send_window)
        size = (size_t)stream->send_window;
    if ((int64_t)size > connection->send_window)
        size = (size_t)connection->send_window;
    h2_frame(connection, H2_DATA, 0, stream->id, data, size);
    stream->send_window -= (int64_t)size;
    connection->send_window -= (int64_t)size;
    RING_ADD(&connection->wanting, stream);
    connection->service->sent(stream, size);
}

static bool has_work(struct h2_connection *connection)
{
    return connection->wanting.after != &connection->wanting && connection->send_window > 0 &&
           !connection->is_broken;
}

/* Writes what is there; false: the socket takes no more for now. */
static bool write_out(struct h2_connection *connection, size_t *turn)
{
    while (bytes_size(&connection->out)) {
        ssize_t size = send(connection->watch.fd, bytes_front(&connection->out),
                            bytes_size(&connection->out), MSG_NOSIGNAL);
        if (size < 0) {
            connection->is_broken |= errno != EAGAIN && errno != EINTR;
            return false;
        }
        bytes_take(&connection->out, (size_t)size);
        *turn += (size_t)size;
    }
    return true;
}

static void send_turn(struct h2_connection *connection)
{
    size_t turn = 0;
    bool is_open = true;
    do {
        while (bytes_size(&connection->out) < FULL && has_work(connection))
            send_some(connection->wanting.after);
        is_open = write_out(connection, &turn);
    } while (is_open && turn < TURN && has_work(connection));
    bool wants_more = bytes_size(&connection->out) || has_work(connection);
    loop_watch(&connection->watch, wants_more ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void h2_flush(void)
{
    while (marked.after != &marked) {
        struct h2_connection *connection = marked.after;
        send_turn(connection);
        if (connection->after)
            RING_REMOVE(connection);
        if (connection->is_broken)
            close_connection(connection);
    }
}

static void receive(struct h2_connection *connection)
{
    uint8_t *room = bytes_room(&connection->in, READ_SIZE);
    ssize_t size = recv(connection->watch.fd, room, READ_SIZE, 0);
    if (size > 0) {
        bytes_added(&connection->in, (size_t)size);
        h2_read_frames(connection);
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        connection->is_broken = true;
    }
}

static void connection_ready(struct watch *watch, uint32_t events)
{
    struct h2_connection *connection = CONTAINER(watch, struct h2_connection, watch);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(connection);
    if (events & EPOLLOUT || connection->is_broken)
        h2_mark(connection);
}

struct listener {
    struct watch watch;
    const struct h2_service *service;
};

static void accept_all(struct watch *watch, uint32_t events)
{
    (void)events;
    for (int fd; (fd = net_accept(watch->fd)) >= 0;) {
        struct h2_connection *connection = allocate(sizeof *connection);
        connection->watch = (struct watch){.fd = fd, .ready = connection_ready};
        connection->service = CONTAINER(watch, struct listener, watch)->service;
        connection->wanting.before = connection->wanting.after = &connection->wanting;
        connection->send_window = connection->initial_window = DEFAULT_WINDOW;
        connection->max_frame = SMALLEST_MAX_FRAME;
        hpack_open(&connection->hpack);
        h2_send_greeting(connection);
        loop_watch(&connection->watch, EPOLLIN);
    }
}

void h2_serve(int port, const struct h2_service *service)
{
    struct listener *listener = allocate(sizeof *listener);
    listener->watch = (struct watch){.fd = net_listen(port), .ready = accept_all};
    listener->service = service;
    loop_watch(&listener->watch, EPOLLIN);
}
