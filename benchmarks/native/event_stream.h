/* Server-sent events as they come, and what the APIs say in them.
   https://html.spec.whatwg.org/multipage/server-sent-events.html */
#ifndef EVENT_STREAM_H
#define EVENT_STREAM_H

#include <stdbool.h>

#include "bytes.h"

struct event_stream {
    struct bytes pending; /* what has come of a line that has not ended */
    struct bytes data;    /* of the event that has not ended */
    void (*event)(void *receiver, const char *data, size_t size);
    void *receiver;
};

void events_begin(struct event_stream *stream);
void events_read(struct event_stream *stream, const uint8_t *data, size_t size);

/* What one event, or a whole answer, says. */
struct said {
    bool has_text;    /* some text that is not empty: a token or several */
    bool has_error;
    bool is_end;      /* [DONE], or the last event of the Responses and Messages APIs */
    long long tokens; /* of `usage`; -1: not said */
};

struct said what_is_said(const char *data, size_t size);

#endif
