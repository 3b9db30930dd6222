/* A growable run of bytes: appended at the end, taken from the front. */
#ifndef BYTES_H
#define BYTES_H

#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data;
    size_t start, end, capacity;
};

static inline const uint8_t *bytes_front(const struct bytes *b) { return b->data + b->start; }
static inline size_t bytes_size(const struct bytes *b) { return b->end - b->start; }

/* Room for `size` more bytes; what is written there counts after bytes_added. */
uint8_t *bytes_room(struct bytes *b, size_t size);
static inline void bytes_added(struct bytes *b, size_t size) { b->end += size; }
void bytes_add(struct bytes *b, const void *data, size_t size);
void bytes_text(struct bytes *b, const char *text);
void bytes_format(struct bytes *b, const char *format, ...)
    __attribute__((nonnull, format(printf, 2, 3)));
void bytes_take(struct bytes *b, size_t size);
void bytes_free(struct bytes *b);

/* malloc that ends the program when there is no memory. The memory is zeroed. */
void *allocate(size_t size);

void put_u32_be(uint8_t *to, uint32_t value);
uint32_t get_u32_be(const uint8_t *from);
void put_u32_le(uint8_t *to, uint32_t value);
uint32_t get_u32_le(const uint8_t *from);

#endif
