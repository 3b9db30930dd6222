/* The server's side of HTTP/2, RFC 9113: connections, streams and both windows.
   What is done with a stream is up to a service, whose streams embed `struct h2_stream`. */
#ifndef HTTP2_H
#define HTTP2_H

#include <stdbool.h>

#include "bytes.h"
#include "hpack.h"
#include "loop.h"

enum { FRAME_HEADER = 9, SMALLEST_MAX_FRAME = 16384, DEFAULT_WINDOW = 65535 };
enum h2_type {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION,
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 32 };
enum { SETTING_INITIAL_WINDOW_SIZE = 4, SETTING_MAX_FRAME_SIZE = 5 };

struct h2_connection;

struct h2_stream {
    struct h2_connection *connection;
    struct h2_stream *next_in_bucket;
    struct h2_stream *before, *after; /* the ring of streams that want to send */
    uint32_t id;
    int64_t send_window;
    uint32_t received; /* bytes that have not been granted again */
    bool has_ended;    /* the client has sent everything */
    bool is_finishing; /* `trailers` follow when nothing is ready */
    struct bytes trailers;
};

struct h2_service {
    struct h2_stream *(*open)(void);
    void (*header)(struct h2_stream *stream, const char *name, const char *value);
    /* All headers have come. */
    void (*begin)(struct h2_stream *stream);
    /* Data, perhaps none, and whether they are the last. */
    void (*receive)(struct h2_stream *stream, const uint8_t *data, size_t size, bool is_end);
    /* How many bytes can go now, and where they are; they stay as they are until `sent`. */
    size_t (*ready)(struct h2_stream *stream, const uint8_t **data);
    void (*sent)(struct h2_stream *stream, size_t size);
    /* The stream is over, for whatever reason; frees it. */
    void (*close)(struct h2_stream *stream);
};

void h2_serve(int port, const struct h2_service *service);

/* Response headers, sent at once. */
void h2_headers(struct h2_stream *stream, const struct bytes *block);
/* The stream ends with the headers of `block` behind everything that is ready. */
void h2_finish(struct h2_stream *stream, const struct bytes *block);
/* Something is ready. */
void h2_wake(struct h2_stream *stream);
/* Sends what became ready; to be called at the end of each of the loop's turns. */
void h2_flush(void);

#endif
