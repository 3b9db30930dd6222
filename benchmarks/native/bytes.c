#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *allocate(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

static void move_to_front(struct bytes *b)
{
    memmove(b->data, b->data + b->start, bytes_size(b));
    b->end -= b->start;
    b->start = 0;
}

uint8_t *bytes_room(struct bytes *b, size_t size)
{
    if (b->capacity - b->end >= size && b->data)
        return b->data + b->end;
    if (b->start)
        move_to_front(b);
    if (b->capacity - b->end < size || !b->data) {
        size_t capacity = b->capacity ? b->capacity : 256;
        while (capacity - b->end < size)
            capacity *= 2;
        uint8_t *data = realloc(b->data, capacity);
        if (!data) {
            fprintf(stderr, "out of memory\n");
            exit(1);
        }
        b->data = data;
        b->capacity = capacity;
    }
    return b->data + b->end;
}

void bytes_add(struct bytes *b, const void *data, size_t size)
{
    if (!size)
        return;
    memcpy(bytes_room(b, size), data, size);
    b->end += size;
}

void bytes_text(struct bytes *b, const char *text) { bytes_add(b, text, strlen(text)); }

void bytes_format(struct bytes *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    va_start(arguments, format);
    vsnprintf((char *)bytes_room(b, (size_t)size + 1), (size_t)size + 1, format, arguments);
    va_end(arguments);
    b->end += (size_t)size;
}

void bytes_take(struct bytes *b, size_t size)
{
    b->start += size;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void bytes_free(struct bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

void put_u32_be(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

uint32_t get_u32_be(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

void put_u32_le(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

uint32_t get_u32_le(const uint8_t *from)
{
    return (uint32_t)from[3] << 24 | (uint32_t)from[2] << 16 | (uint32_t)from[1] << 8 | from[0];
}
