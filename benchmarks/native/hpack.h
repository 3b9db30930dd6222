/* HPACK, RFC 7541: reading header blocks with both tables, writing literals only. */
#ifndef HPACK_H
#define HPACK_H

#include <stdbool.h>

#include "bytes.h"

#define HPACK_TABLE_SIZE 4096

struct hpack_entry {
    char *name, *value; /* one allocation, at `name` */
    size_t size;        /* as section 4.1 counts it */
};

struct hpack_decoder {
    struct hpack_entry entries[HPACK_TABLE_SIZE / 32]; /* the newest first */
    size_t count, size, limit;
    struct bytes text; /* the header being read */
};

/* Gets each header; both texts end with a zero byte and live until it returns. */
typedef void hpack_header(void *receiver, const char *name, const char *value);

void hpack_open(struct hpack_decoder *decoder);
void hpack_free(struct hpack_decoder *decoder);
/* false: the block is not HPACK, and the connection is lost. */
bool hpack_decode(struct hpack_decoder *decoder, const uint8_t *block, size_t size,
                  hpack_header *header, void *receiver);

/* Appends a literal that is never indexed, without Huffman. */
void hpack_write(struct bytes *block, const char *name, const char *value);

#endif
