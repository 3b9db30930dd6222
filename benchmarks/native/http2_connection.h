/* What http2_connection.c (sockets and sending) and http2_frames.c (receiving) share. */
#ifndef HTTP2_CONNECTION_H
#define HTTP2_CONNECTION_H

#include "http2.h"

#define NUM_BUCKETS 256

struct h2_connection {
    struct watch watch;
    const struct h2_service *service;
    struct h2_connection *before, *after; /* the ring of connections that have to send */
    struct h2_stream wanting;             /* head of the ring of streams */
    struct h2_stream *buckets[NUM_BUCKETS];
    struct hpack_decoder hpack;
    struct bytes in, out, block;
    uint32_t last_stream;     /* the highest id that the client has used */
    uint32_t block_stream;    /* whose header block is being received; 0: none */
    uint8_t block_flags;
    int64_t send_window;
    int64_t initial_window;   /* of the client for each new stream */
    uint32_t max_frame;
    uint32_t received;
    bool has_greeted;
    bool is_broken; /* to be closed as soon as nothing uses it */
};

/* Reads frames from `in` as far as they are complete. */
void h2_read_frames(struct h2_connection *connection);
void h2_send_greeting(struct h2_connection *connection);

void h2_frame(struct h2_connection *connection, enum h2_type type, uint8_t flags, uint32_t stream,
              const void *payload, size_t size);
void h2_mark(struct h2_connection *connection);
struct h2_stream *h2_find(struct h2_connection *connection, uint32_t id);
struct h2_stream *h2_open_stream(struct h2_connection *connection, uint32_t id);
void h2_close_stream(struct h2_stream *stream);

#endif
