/* Reading HTTP/1.1 answers as they come, in pieces of any size (RFC 9112). */
#ifndef ANSWER_BODY_H
#define ANSWER_BODY_H

#include <stdbool.h>

#include "bytes.h"

enum answer_state {
    IN_HEAD,
    IN_SIZED_BODY,
    IN_BODY_TO_END, /* of the connection */
    IN_CHUNK_SIZE,
    IN_CHUNK,
    BEHIND_CHUNK,
    IN_TRAILERS,
    ANSWERED,
    UNREADABLE,
};

struct answer_reader {
    enum answer_state state;
    struct bytes line; /* the head, or a line of the chunked coding, as far as it has come */
    uint64_t left;     /* of the body or of the chunk, in bytes */
    int status;
    bool is_last; /* the server closes the connection */
    void (*body)(void *receiver, const uint8_t *data, size_t size);
    void *receiver;
};

void answer_begin(struct answer_reader *reader);
/* Reads until the answer has ended; returns how many bytes it took. */
size_t answer_read(struct answer_reader *reader, const uint8_t *data, size_t size);
/* The connection has ended; whether the answer has, too. */
bool answer_ends_with_connection(struct answer_reader *reader);

#endif
