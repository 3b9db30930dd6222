#include "hpack.h"

#include <stdlib.h>
#include <string.h>

#include "huffman.h"

#define NUM_STATIC 61

/* RFC 7541, appendix A. */
static const struct {
    const char *name, *value;
} static_table[NUM_STATIC] = {
    {":authority", ""},
    {":method", "GET"},
    {":method", "POST"},
    {":path", "/"},
    {":path", "/index.html"},
    {":scheme", "http"},
    {":scheme", "https"},
    {":status", "200"},
    {":status", "204"},
    {":status", "206"},
    {":status", "304"},
    {":status", "400"},
    {":status", "404"},
    {":status", "500"},
    {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"},
    {"accept-language", ""},
    {"accept-ranges", ""},
    {"accept", ""},
    {"access-control-allow-origin", ""},
    {"age", ""},
    {"allow", ""},
    {"authorization", ""},
    {"cache-control", ""},
    {"content-disposition", ""},
    {"content-encoding", ""},
    {"content-language", ""},
    {"content-length", ""},
    {"content-location", ""},
    {"content-range", ""},
    {"content-type", ""},
    {"cookie", ""},
    {"date", ""},
    {"etag", ""},
    {"expect", ""},
    {"expires", ""},
    {"from", ""},
    {"host", ""},
    {"if-match", ""},
    {"if-modified-since", ""},
    {"if-none-match", ""},
    {"if-range", ""},
    {"if-unmodified-since", ""},
    {"last-modified", ""},
    {"link", ""},
    {"location", ""},
    {"max-forwards", ""},
    {"proxy-authenticate", ""},
    {"proxy-authorization", ""},
    {"range", ""},
    {"referer", ""},
    {"refresh", ""},
    {"retry-after", ""},
    {"server", ""},
    {"set-cookie", ""},
    {"strict-transport-security", ""},
    {"transfer-encoding", ""},
    {"user-agent", ""},
    {"vary", ""},
    {"via", ""},
    {"www-authenticate", ""},
};

struct block {
    const uint8_t *at, *end;
};

void hpack_open(struct hpack_decoder *decoder)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->limit = HPACK_TABLE_SIZE;
}

static void evict(struct hpack_decoder *decoder, size_t limit)
{
    while (decoder->size > limit) {
        struct hpack_entry *oldest = &decoder->entries[--decoder->count];
        decoder->size -= oldest->size;
        free(oldest->name);
    }
}

void hpack_free(struct hpack_decoder *decoder)
{
    evict(decoder, 0);
    bytes_free(&decoder->text);
}

static void insert(struct hpack_decoder *decoder, const char *name, const char *value)
{
    size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    size_t size = name_size + value_size - 2 + 32;
    char *copy = allocate(name_size + value_size);
    memcpy(copy, name, name_size);
    memcpy(copy + name_size, value, value_size);
    evict(decoder, size > decoder->limit ? 0 : decoder->limit - size);
    if (size > decoder->limit) {
        free(copy);
        return;
    }
    memmove(decoder->entries + 1, decoder->entries, decoder->count * sizeof *decoder->entries);
    decoder->entries[0] = (struct hpack_entry){copy, copy + name_size, size};
    decoder->count++;
    decoder->size += size;
}

/* Section 5.1. */
static bool read_integer(struct block *block, int prefix_bits, uint32_t *value)
{
    if (block->at == block->end)
        return false;
    uint32_t mask = (1u << prefix_bits) - 1;
    *value = *block->at++ & mask;
    if (*value < mask)
        return true;
    for (int shift = 0; shift <= 21 && block->at < block->end; shift += 7) {
        uint8_t byte = *block->at++;
        *value += (uint32_t)(byte & 127) << shift;
        if (!(byte & 128))
            return true;
    }
    return false;
}

/* Section 5.2; adds the text and a zero byte to what has been read of the header. */
static bool read_text(struct hpack_decoder *decoder, struct block *block)
{
    uint32_t size;
    bool is_huffman = block->at < block->end && *block->at & 128;
    if (!read_integer(block, 7, &size) || size > (size_t)(block->end - block->at))
        return false;
    const uint8_t *text = block->at;
    block->at += size;
    if (!is_huffman)
        bytes_add(&decoder->text, text, size);
    else if (!huffman_decode(text, size, &decoder->text))
        return false;
    bytes_add(&decoder->text, "", 1);
    return true;
}

static bool look_up(struct hpack_decoder *decoder, uint32_t index, const char **name,
                    const char **value)
{
    if (!index || index > NUM_STATIC + decoder->count)
        return false;
    bool is_static = index <= NUM_STATIC;
    struct hpack_entry *entry = is_static ? NULL : &decoder->entries[index - NUM_STATIC - 1];
    *name = is_static ? static_table[index - 1].name : entry->name;
    *value = is_static ? static_table[index - 1].value : entry->value;
    return true;
}

/* Section 6.2: a literal, whose name may be one of a table. */
static bool read_literal(struct hpack_decoder *decoder, struct block *block, int prefix_bits,
                         hpack_header *header, void *receiver)
{
    uint32_t index;
    const char *name, *value;
    if (!read_integer(block, prefix_bits, &index))
        return false;
    decoder->text.start = decoder->text.end = 0;
    if (!index) {
        if (!read_text(decoder, block))
            return false;
    } else {
        if (!look_up(decoder, index, &name, &value))
            return false;
        bytes_add(&decoder->text, name, strlen(name) + 1);
    }
    size_t value_at = bytes_size(&decoder->text);
    if (!read_text(decoder, block))
        return false;
    name = (const char *)bytes_front(&decoder->text);
    header(receiver, name, name + value_at);
    if (prefix_bits == 6)
        insert(decoder, name, name + value_at);
    return true;
}

static bool read_indexed(struct hpack_decoder *decoder, struct block *block, hpack_header *header,
                         void *receiver)
{
    uint32_t index;
    const char *name, *value;
    if (!read_integer(block, 7, &index) || !look_up(decoder, index, &name, &value))
        return false;
    header(receiver, name, value);
    return true;
}

static bool read_table_size(struct hpack_decoder *decoder, struct block *block)
{
    uint32_t size;
    if (!read_integer(block, 5, &size) || size > HPACK_TABLE_SIZE)
        return false;
    decoder->limit = size;
    evict(decoder, size);
    return true;
}

bool hpack_decode(struct hpack_decoder *decoder, const uint8_t *data, size_t size,
                  hpack_header *header, void *receiver)
{
    struct block block = {data, data + size};
    bool is_good = true;
    while (is_good && block.at < block.end) {
        uint8_t kind = *block.at;
        if (kind & 128)
            is_good = read_indexed(decoder, &block, header, receiver);
        else if (kind & 64)
            is_good = read_literal(decoder, &block, 6, header, receiver);
        else if (kind & 32)
            is_good = read_table_size(decoder, &block);
        else
            is_good = read_literal(decoder, &block, 4, header, receiver);
    }
    return is_good;
}

static void write_text(struct bytes *block, const char *text)
{
    size_t size = strlen(text), rest = size;
    uint8_t byte = (uint8_t)(size < 127 ? size : 127);
    bytes_add(block, &byte, 1);
    if (size >= 127)
        for (rest -= 127;; rest >>= 7) {
            byte = (uint8_t)(rest < 128 ? rest : (rest & 127) | 128);
            bytes_add(block, &byte, 1);
            if (rest < 128)
                break;
        }
    bytes_add(block, text, size);
}

void hpack_write(struct bytes *block, const char *name, const char *value)
{
    bytes_add(block, "\x10", 1);
    write_text(block, name);
    write_text(block, value);
}
