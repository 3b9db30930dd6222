/* As much of protobuf's wire format as Triton's messages need.
   https://protobuf.dev/programming-guides/encoding/ */
#ifndef PROTOBUF_H
#define PROTOBUF_H

#include <stdbool.h>

#include "bytes.h"

enum { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb_slice {
    const uint8_t *data;
    size_t size;
};

/* One field of a message: its number, and the bytes or the varint that it holds. */
struct pb_field {
    uint32_t number;
    int type;
    uint64_t value;
    struct pb_slice bytes;
};

/* Takes the next field off the front of a message; false: it has ended, or cannot be read, which
   leaves bytes behind. */
bool pb_next(struct pb_slice *message, struct pb_field *field);
bool pb_varint(struct pb_slice *message, uint64_t *value);
bool pb_is(const struct pb_slice *text, const char *expected);

void pb_add_varint(struct bytes *to, uint64_t value);
void pb_add_number(struct bytes *to, uint32_t field, uint64_t value);
void pb_add_text(struct bytes *to, uint32_t field, const char *text);
void pb_add_bytes(struct bytes *to, uint32_t field, const void *data, size_t size);
/* The tag and the size of a field whose `size` bytes are added next. */
void pb_add_header(struct bytes *to, uint32_t field, size_t size);
/* A packed list of numbers. */
void pb_add_numbers(struct bytes *to, uint32_t field, const int64_t *values, size_t count);
/* A message, which is freed. */
void pb_add_message(struct bytes *to, uint32_t field, struct bytes *message);

#endif
