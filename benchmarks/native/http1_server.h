/* A server for HTTP/1.1 with kept connections: requests with Content-Length, one after another. */
#ifndef HTTP1_SERVER_H
#define HTTP1_SERVER_H

#include <stdbool.h>

#include "bytes.h"

struct http_request {
    const char *method, *path;
    const uint8_t *body;
    size_t body_size;
    /* How much of the body is JSON, as Triton's binary tensor extension says; else all of it.
       docs/protocol/extension_binary_data.md of github.com/triton-inference-server/server */
    size_t json_size;
};

/* Writes the whole answer. */
typedef void http_handler(const struct http_request *request, struct bytes *answer);

void http1_serve(int port, http_handler *handler);
/* An answer of JSON. */
void http1_json(struct bytes *answer, int status, const char *json, size_t size);

#endif
