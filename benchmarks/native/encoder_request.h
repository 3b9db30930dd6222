/* A request for inference in the binary tensor extension, for models with BERT's inputs. */
#ifndef ENCODER_REQUEST_H
#define ENCODER_REQUEST_H

#include <stdbool.h>

#include "http1_server.h"
#include "json_text.h"

enum { ENCODER_MAX_BATCH = 64 };

struct encoder_request {
    struct json_text id;
    size_t rows, length;
    const uint8_t *input_ids, *attention_mask; /* [rows, length], INT64 */
    bool is_binary; /* how the output is wanted */
};

/* Reads the request for an output. Returns NULL, or what is wrong with it; valid until the next
   call. */
const char *encoder_read(const struct http_request *from, const char *model, const char *output,
                         struct encoder_request *request);

#endif
