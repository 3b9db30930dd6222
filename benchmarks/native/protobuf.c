#include "protobuf.h"

#include <string.h>

bool pb_varint(struct pb_slice *message, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && message->size; shift += 7) {
        uint8_t byte = *message->data++;
        message->size--;
        *value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return true;
    }
    message->size = 1; /* unreadable: something is left */
    return false;
}

static bool take(struct pb_slice *message, size_t size, struct pb_slice *part)
{
    if (size > message->size)
        return false;
    *part = (struct pb_slice){message->data, size};
    message->data += size;
    message->size -= size;
    return true;
}

bool pb_next(struct pb_slice *message, struct pb_field *field)
{
    uint64_t tag;
    if (!message->size || !pb_varint(message, &tag))
        return false;
    field->number = (uint32_t)(tag >> 3);
    field->type = tag & 7;
    struct pb_slice rest = *message;
    bool is_good = false;
    if (field->type == PB_VARINT)
        is_good = pb_varint(&rest, &field->value);
    else if (field->type == PB_BYTES)
        is_good = pb_varint(&rest, &field->value) && take(&rest, field->value, &field->bytes);
    else if (field->type == PB_FIXED64 || field->type == PB_FIXED32)
        is_good = take(&rest, field->type == PB_FIXED64 ? 8 : 4, &field->bytes);
    *message = is_good ? rest : (struct pb_slice){message->data, 1};
    return is_good;
}

bool pb_is(const struct pb_slice *text, const char *expected)
{
    return text->size == strlen(expected) && !memcmp(text->data, expected, text->size);
}

void pb_add_varint(struct bytes *to, uint64_t value)
{
    uint8_t coded[10];
    size_t size = 0;
    do {
        coded[size++] = (uint8_t)((value & 127) | (value > 127 ? 128 : 0));
        value >>= 7;
    } while (value);
    bytes_add(to, coded, size);
}

void pb_add_number(struct bytes *to, uint32_t field, uint64_t value)
{
    pb_add_varint(to, field << 3 | PB_VARINT);
    pb_add_varint(to, value);
}

void pb_add_header(struct bytes *to, uint32_t field, size_t size)
{
    pb_add_varint(to, field << 3 | PB_BYTES);
    pb_add_varint(to, size);
}

void pb_add_bytes(struct bytes *to, uint32_t field, const void *data, size_t size)
{
    pb_add_header(to, field, size);
    bytes_add(to, data, size);
}

void pb_add_text(struct bytes *to, uint32_t field, const char *text)
{
    pb_add_bytes(to, field, text, strlen(text));
}

void pb_add_message(struct bytes *to, uint32_t field, struct bytes *message)
{
    pb_add_bytes(to, field, bytes_front(message), bytes_size(message));
    bytes_free(message);
}

void pb_add_numbers(struct bytes *to, uint32_t field, const int64_t *values, size_t count)
{
    struct bytes packed = {0};
    for (size_t i = 0; i < count; i++)
        pb_add_varint(&packed, (uint64_t)values[i]);
    pb_add_message(to, field, &packed);
}
