#include "event_stream.h"

#include <string.h>

#include "json_text.h"

void events_begin(struct event_stream *stream)
{
    bytes_take(&stream->pending, bytes_size(&stream->pending));
    bytes_take(&stream->data, bytes_size(&stream->data));
}

static void dispatch(struct event_stream *stream)
{
    size_t size = bytes_size(&stream->data);
    if (size) /* without the end of its last line */
        stream->event(stream->receiver, (const char *)bytes_front(&stream->data), size - 1);
    bytes_take(&stream->data, size);
}

static void read_line(struct event_stream *stream, const uint8_t *line, size_t size)
{
    if (size && line[size - 1] == '\r')
        size--;
    if (!size) {
        dispatch(stream);
        return;
    }
    if (size < 5 || memcmp(line, "data:", 5))
        return;
    size_t skipped = size > 5 && line[5] == ' ' ? 6 : 5;
    bytes_add(&stream->data, line + skipped, size - skipped);
    bytes_add(&stream->data, "\n", 1);
}

void events_read(struct event_stream *stream, const uint8_t *data, size_t size)
{
    struct bytes *pending = &stream->pending;
    for (const uint8_t *end; size && (end = memchr(data, '\n', size));) {
        size_t length = (size_t)(end - data);
        if (bytes_size(pending)) {
            bytes_add(pending, data, length);
            read_line(stream, bytes_front(pending), bytes_size(pending));
            bytes_take(pending, bytes_size(pending));
        } else {
            read_line(stream, data, length);
        }
        data = end + 1;
        size -= length + 1;
    }
    bytes_add(pending, data, size);
}

/* Members whose strings are generated text, in the chunks of the APIs. */
static const char *const texts[] = {"content", "text", "delta", "reasoning_content", "reasoning",
                                    "thinking", "arguments", "partial_json", "refusal"};
static const char *const ends[] = {"message_stop", "response.completed", "response.incomplete"};

static bool is_text_key(const struct json_member *member)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (json_key_is(member, texts[i]))
            return true;
    return false;
}

static void read_type(const struct json_text *value, struct said *said, bool *repeats)
{
    struct json_text type;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        said->is_end |= json_string_is(value, ends[i]);
    if (!json_string(value, &type))
        return;
    size_t size = (size_t)(type.end - type.at);
    /* What the Responses API has sent in deltas it says again in other events. */
    *repeats = size > 9 && !memcmp(type.at, "response.", 9) && memcmp(type.end - 6, ".delta", 6);
}

struct said what_is_said(const char *data, size_t size)
{
    struct said said = {.tokens = -1};
    struct json_text text = {data, data + size};
    struct json_member member;
    bool has_type = false, repeats = false;
    if (size == 6 && !memcmp(data, "[DONE]", 6)) {
        said.is_end = true;
        return said;
    }
    while (json_next(&text, &member)) {
        if (json_key_is(&member, "completion_tokens") || json_key_is(&member, "output_tokens")) {
            json_integer(&member.value, &said.tokens);
        } else if (json_key_is(&member, "error")) {
            said.has_error |= json_has_text(&member.value) ||
                              (member.value.at < member.value.end && *member.value.at == '{');
        } else if (json_key_is(&member, "type") && !has_type) {
            has_type = true;
            read_type(&member.value, &said, &repeats);
        } else if (!said.has_text && is_text_key(&member)) {
            said.has_text = json_has_text(&member.value);
        }
    }
    said.has_text &= !repeats;
    return said;
}
