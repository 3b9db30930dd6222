#define _GNU_SOURCE
#include "answer_body.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LONGEST_HEAD (64 * 1024)

void answer_begin(struct answer_reader *reader)
{
    reader->state = IN_HEAD;
    reader->line.start = reader->line.end = 0;
    reader->left = 0;
    reader->status = 0;
    reader->is_last = false;
}

/* Adds to the line up to its end; `taken` grows by what was used. Whether the line has ended. */
static bool take_line(struct answer_reader *reader, const uint8_t *data, size_t size,
                      size_t *taken)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t used = end ? (size_t)(end - data) + 1 : size;
    bytes_add(&reader->line, data, used);
    *taken += used;
    if (bytes_size(&reader->line) > LONGEST_HEAD)
        reader->state = UNREADABLE;
    return end && reader->state != UNREADABLE;
}

static bool is_empty_line(const uint8_t *line, size_t size)
{
    return size == 1 || (size == 2 && line[0] == '\r');
}

/* The value of a header line, or NULL if it has another name. */
static const char *value_of(const char *line, const char *name)
{
    size_t size = strlen(name);
    if (strncasecmp(line, name, size) || line[size] != ':')
        return NULL;
    line += size + 1;
    return line + strspn(line, " \t");
}

static void read_header(struct answer_reader *reader, const char *line)
{
    const char *value;
    if ((value = value_of(line, "content-length"))) {
        reader->left = strtoull(value, NULL, 10);
        if (reader->state != IN_CHUNK_SIZE)
            reader->state = IN_SIZED_BODY;
    } else if ((value = value_of(line, "transfer-encoding"))) {
        reader->state = strcasestr(value, "chunked") ? IN_CHUNK_SIZE : UNREADABLE;
    } else if ((value = value_of(line, "connection"))) {
        reader->is_last = !strncasecmp(value, "close", 5);
    }
}

static void read_head(struct answer_reader *reader)
{
    bytes_add(&reader->line, "", 1);
    char *line = (char *)reader->line.data + reader->line.start;
    if (strncmp(line, "HTTP/1.", 7) || strlen(line) < 12) {
        reader->state = UNREADABLE;
        return;
    }
    reader->status = atoi(line + 9);
    reader->is_last = line[7] == '0';
    reader->state = IN_BODY_TO_END;
    for (char *end; reader->state != UNREADABLE && (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        read_header(reader, line);
    }
    bytes_take(&reader->line, bytes_size(&reader->line));
    if (reader->status / 100 == 1)
        answer_begin(reader); /* "100 Continue" and the like stand before the answer */
    else if (reader->status == 204 || reader->status == 304 ||
             (reader->state == IN_SIZED_BODY && !reader->left))
        reader->state = ANSWERED;
}

static void take_head(struct answer_reader *reader, const uint8_t *data, size_t size,
                      size_t *taken)
{
    if (!take_line(reader, data, size, taken))
        return;
    const uint8_t *head = bytes_front(&reader->line);
    size_t length = bytes_size(&reader->line), begin = length - 1;
    while (begin && head[begin - 1] != '\n')
        begin--;
    if (begin && is_empty_line(head + begin, length - begin))
        read_head(reader);
}

static void take_chunk_size(struct answer_reader *reader, const uint8_t *data, size_t size,
                            size_t *taken)
{
    if (!take_line(reader, data, size, taken))
        return;
    bytes_add(&reader->line, "", 1);
    char *end, *line = (char *)reader->line.data + reader->line.start;
    reader->left = strtoull(line, &end, 16);
    reader->state = end == line ? UNREADABLE : reader->left ? IN_CHUNK : IN_TRAILERS;
    bytes_take(&reader->line, bytes_size(&reader->line));
}

/* The end of the line behind a chunk, or the trailers up to an empty line. */
static void take_plain_line(struct answer_reader *reader, const uint8_t *data, size_t size,
                            size_t *taken)
{
    if (!take_line(reader, data, size, taken))
        return;
    bool is_empty = is_empty_line(bytes_front(&reader->line), bytes_size(&reader->line));
    bytes_take(&reader->line, bytes_size(&reader->line));
    if (reader->state == BEHIND_CHUNK)
        reader->state = is_empty ? IN_CHUNK_SIZE : UNREADABLE;
    else if (is_empty)
        reader->state = ANSWERED;
}

static void take_body(struct answer_reader *reader, const uint8_t *data, size_t size,
                      size_t *taken)
{
    if (reader->state != IN_BODY_TO_END) {
        size = size < reader->left ? size : reader->left;
        reader->left -= size;
    }
    *taken += size;
    reader->body(reader->receiver, data, size);
    if (reader->state == IN_SIZED_BODY && !reader->left)
        reader->state = ANSWERED;
    if (reader->state == IN_CHUNK && !reader->left)
        reader->state = BEHIND_CHUNK;
}

size_t answer_read(struct answer_reader *reader, const uint8_t *data, size_t size)
{
    size_t taken = 0;
    while (taken < size && reader->state < ANSWERED) {
        const uint8_t *rest = data + taken;
        size_t left = size - taken;
        if (reader->state == IN_HEAD)
            take_head(reader, rest, left, &taken);
        else if (reader->state == IN_CHUNK_SIZE)
            take_chunk_size(reader, rest, left, &taken);
        else if (reader->state == BEHIND_CHUNK || reader->state == IN_TRAILERS)
            take_plain_line(reader, rest, left, &taken);
        else
            take_body(reader, rest, left, &taken);
    }
    return taken;
}

bool answer_ends_with_connection(struct answer_reader *reader)
{
    return reader->state == IN_BODY_TO_END;
}
