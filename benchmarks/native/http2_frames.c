/* Receiving: what each frame of the client means (RFC 9113, section 6). */
#include <string.h>

#include "http2_connection.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define MAX_WINDOW 0x7fffffff
#define MAX_BLOCK (64 * 1024)
/* Windows for what clients send: prompts of any length pass without waiting. */
#define STREAM_WINDOW (1 << 20)
#define CONNECTION_WINDOW (16 << 20)

enum { PROTOCOL_ERROR = 1, FLOW_CONTROL_ERROR = 3, FRAME_SIZE_ERROR = 6, COMPRESSION_ERROR = 9 };

struct frame {
    uint8_t type, flags;
    uint32_t stream;
    const uint8_t *payload;
    size_t size;
};

static void grant(struct h2_connection *connection, uint32_t stream, uint32_t size)
{
    uint8_t increment[4];
    put_u32_be(increment, size);
    h2_frame(connection, H2_WINDOW_UPDATE, 0, stream, increment, sizeof increment);
}

void h2_send_greeting(struct h2_connection *connection)
{
    uint8_t setting[6] = {0, SETTING_INITIAL_WINDOW_SIZE};
    put_u32_be(setting + 2, STREAM_WINDOW);
    h2_frame(connection, H2_SETTINGS, 0, 0, setting, sizeof setting);
    grant(connection, 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
}

static int break_off(struct h2_connection *connection, uint32_t error)
{
    uint8_t goaway[8];
    put_u32_be(goaway, connection->last_stream);
    put_u32_be(goaway + 4, error);
    h2_frame(connection, H2_GOAWAY, 0, 0, goaway, sizeof goaway);
    connection->is_broken = true;
    return -1;
}

/* Takes the padding off; -1: there is more of it than payload. */
static int strip_padding(struct h2_connection *connection, struct frame *frame)
{
    if (!(frame->flags & PADDED))
        return 0;
    if (!frame->size || frame->payload[0] >= frame->size)
        return break_off(connection, PROTOCOL_ERROR);
    frame->size -= 1u + frame->payload[0];
    frame->payload++;
    return 0;
}

static void on_data(struct h2_connection *connection, struct frame *frame)
{
    uint32_t size = (uint32_t)frame->size;
    struct h2_stream *stream = h2_find(connection, frame->stream);
    if (!frame->stream || strip_padding(connection, frame)) {
        break_off(connection, PROTOCOL_ERROR);
        return;
    }
    connection->received += size;
    if (connection->received >= CONNECTION_WINDOW / 4) {
        grant(connection, 0, connection->received);
        connection->received = 0;
    }
    if (!stream || stream->has_ended)
        return;
    stream->received += size;
    stream->has_ended = frame->flags & END_STREAM;
    if (!stream->has_ended && stream->received >= STREAM_WINDOW / 4) {
        grant(connection, stream->id, stream->received);
        stream->received = 0;
    }
    connection->service->receive(stream, frame->payload, frame->size, stream->has_ended);
}

struct receiver {
    const struct h2_service *service;
    struct h2_stream *stream; /* NULL: nobody wants these headers */
};

static void pass_header(void *to, const char *name, const char *value)
{
    struct receiver *receiver = to;
    if (receiver->stream)
        receiver->service->header(receiver->stream, name, value);
}

static void end_block(struct h2_connection *connection)
{
    uint32_t id = connection->block_stream;
    struct receiver receiver = {connection->service, NULL};
    bool is_new = id > connection->last_stream;
    if (is_new) {
        connection->last_stream = id;
        receiver.stream = h2_open_stream(connection, id);
    }
    bool is_good = hpack_decode(&connection->hpack, bytes_front(&connection->block),
                                bytes_size(&connection->block), pass_header, &receiver);
    connection->block_stream = 0;
    bytes_take(&connection->block, bytes_size(&connection->block));
    if (!is_good) {
        break_off(connection, COMPRESSION_ERROR);
        return;
    }
    struct h2_stream *stream = h2_find(connection, id);
    if (is_new)
        connection->service->begin(stream);
    if (stream && !stream->has_ended && connection->block_flags & END_STREAM) {
        stream->has_ended = true;
        connection->service->receive(stream, NULL, 0, true);
    }
}

static void add_block(struct h2_connection *connection, struct frame *frame)
{
    bytes_add(&connection->block, frame->payload, frame->size);
    if (bytes_size(&connection->block) > MAX_BLOCK)
        break_off(connection, COMPRESSION_ERROR);
    else if (frame->flags & END_HEADERS)
        end_block(connection);
}

static void on_headers(struct h2_connection *connection, struct frame *frame)
{
    if (strip_padding(connection, frame))
        return;
    if (frame->flags & WITH_PRIORITY && frame->size >= 5) {
        frame->payload += 5;
        frame->size -= 5;
    }
    if (frame->stream % 2 == 0) {
        break_off(connection, PROTOCOL_ERROR);
        return;
    }
    connection->block_stream = frame->stream;
    connection->block_flags = frame->flags;
    add_block(connection, frame);
}

/* A changed initial window changes the window of every open stream (section 6.9.2). */
static void change_window(struct h2_connection *connection, uint32_t value)
{
    int64_t change = (int64_t)value - connection->initial_window;
    connection->initial_window = value;
    for (size_t i = 0; i < NUM_BUCKETS; i++)
        for (struct h2_stream *stream = connection->buckets[i]; stream;
             stream = stream->next_in_bucket) {
            stream->send_window += change;
            h2_wake(stream);
        }
}

static void on_settings(struct h2_connection *connection, struct frame *frame)
{
    if (frame->flags & ACK)
        return;
    for (size_t at = 0; at + 6 <= frame->size; at += 6) {
        uint32_t value = get_u32_be(frame->payload + at + 2);
        int setting = frame->payload[at] << 8 | frame->payload[at + 1];
        if (setting == SETTING_INITIAL_WINDOW_SIZE && value > MAX_WINDOW) {
            break_off(connection, FLOW_CONTROL_ERROR);
            return;
        }
        if (setting == SETTING_INITIAL_WINDOW_SIZE)
            change_window(connection, value);
        if (setting == SETTING_MAX_FRAME_SIZE && value >= SMALLEST_MAX_FRAME)
            connection->max_frame = value;
    }
    h2_frame(connection, H2_SETTINGS, ACK, 0, NULL, 0);
}

static void on_window_update(struct h2_connection *connection, struct frame *frame)
{
    uint32_t increment = frame->size == 4 ? get_u32_be(frame->payload) & MAX_WINDOW : 0;
    if (!increment) {
        break_off(connection, PROTOCOL_ERROR);
        return;
    }
    h2_mark(connection);
    struct h2_stream *stream = h2_find(connection, frame->stream);
    int64_t *window = frame->stream ? NULL : &connection->send_window;
    if (stream)
        window = &stream->send_window;
    if (!window)
        return;
    *window += increment;
    if (*window > MAX_WINDOW)
        break_off(connection, FLOW_CONTROL_ERROR);
    if (stream)
        h2_wake(stream);
}

static void on_reset(struct h2_connection *connection, struct frame *frame)
{
    struct h2_stream *stream = h2_find(connection, frame->stream);
    if (stream)
        h2_close_stream(stream);
}

static void on_ping(struct h2_connection *connection, struct frame *frame)
{
    if (frame->size != 8)
        break_off(connection, FRAME_SIZE_ERROR);
    else if (!(frame->flags & ACK))
        h2_frame(connection, H2_PING, ACK, 0, frame->payload, frame->size);
}

static void on_continuation(struct h2_connection *connection, struct frame *frame)
{
    if (frame->stream != connection->block_stream || !frame->stream)
        break_off(connection, PROTOCOL_ERROR);
    else
        add_block(connection, frame);
}

/* A type without an entry means nothing here: PRIORITY, GOAWAY, extensions. */
static void (*const handlers[])(struct h2_connection *, struct frame *) = {
    [H2_DATA] = on_data,
    [H2_HEADERS] = on_headers,
    [H2_RST_STREAM] = on_reset,
    [H2_SETTINGS] = on_settings,
    [H2_PING] = on_ping,
    [H2_WINDOW_UPDATE] = on_window_update,
    [H2_CONTINUATION] = on_continuation,
};

static void on_frame(struct h2_connection *connection, struct frame *frame)
{
    if (connection->block_stream && frame->type != H2_CONTINUATION) {
        break_off(connection, PROTOCOL_ERROR);
        return;
    }
    if (frame->type < sizeof handlers / sizeof *handlers && handlers[frame->type])
        handlers[frame->type](connection, frame);
}

static bool read_greeting(struct h2_connection *connection)
{
    size_t size = sizeof PREFACE - 1;
    if (connection->has_greeted)
        return true;
    if (bytes_size(&connection->in) < size)
        return false;
    if (memcmp(bytes_front(&connection->in), PREFACE, size))
        connection->is_broken = true;
    bytes_take(&connection->in, size);
    connection->has_greeted = true;
    return true;
}

void h2_read_frames(struct h2_connection *connection)
{
    struct bytes *in = &connection->in;
    if (!read_greeting(connection))
        return;
    while (!connection->is_broken && bytes_size(in) >= FRAME_HEADER) {
        const uint8_t *header = bytes_front(in);
        size_t size = get_u32_be(header) >> 8;
        if (size > SMALLEST_MAX_FRAME) {
            break_off(connection, FRAME_SIZE_ERROR);
            return;
        }
        if (bytes_size(in) < FRAME_HEADER + size)
            return;
        struct frame frame = {header[3], header[4], get_u32_be(header + 5) & 0x7fffffff,
                              header + FRAME_HEADER, size};
        on_frame(connection, &frame);
        bytes_take(in, FRAME_HEADER + size);
    }
}
