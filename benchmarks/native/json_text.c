#include "json_text.h"

#include <string.h>

static void skip_space(struct json_text *text)
{
    while (text->at < text->end && strchr(" \t\r\n", *text->at) && *text->at)
        text->at++;
}

/* The quote that ends a string whose content begins at `at`, or NULL. */
static const char *closing_quote(const char *at, const char *end)
{
    for (const char *from = at; (from = memchr(from, '"', (size_t)(end - from))); from++) {
        const char *before = from;
        while (before > at && before[-1] == '\\')
            before--;
        if ((from - before) % 2 == 0)
            return from;
    }
    return NULL;
}

bool json_next(struct json_text *text, struct json_member *member)
{
    const char *opening, *closing;
    while (text->at < text->end &&
           (opening = memchr(text->at, '"', (size_t)(text->end - text->at)))) {
        closing = closing_quote(opening + 1, text->end);
        if (!closing)
            break;
        text->at = closing + 1;
        skip_space(text);
        if (text->at == text->end || *text->at != ':')
            continue;
        text->at++;
        skip_space(text);
        *member = (struct json_member){opening + 1, (size_t)(closing - opening) - 1, *text};
        return true;
    }
    text->at = text->end;
    return false;
}

bool json_key_is(const struct json_member *member, const char *key)
{
    return member->key_size == strlen(key) && !memcmp(member->key, key, member->key_size);
}

bool json_string(const struct json_text *value, struct json_text *content)
{
    if (value->at == value->end || *value->at != '"')
        return false;
    content->at = value->at + 1;
    content->end = closing_quote(content->at, value->end);
    return content->end;
}

bool json_string_is(const struct json_text *value, const char *expected)
{
    struct json_text content;
    size_t size = strlen(expected);
    return json_string(value, &content) && (size_t)(content.end - content.at) == size &&
           !memcmp(content.at, expected, size);
}

bool json_has_text(const struct json_text *value)
{
    return value->end - value->at >= 2 && value->at[0] == '"' && value->at[1] != '"';
}

bool json_integer(const struct json_text *value, long long *number)
{
    const char *at = value->at;
    bool is_negative = at < value->end && *at == '-';
    const char *digits = at += is_negative;
    long long found = 0;
    while (at < value->end && *at >= '0' && *at <= '9' && at - digits < 18)
        found = 10 * found + (*at++ - '0');
    *number = is_negative ? -found : found;
    return at > digits;
}

bool json_object(struct json_text *text, struct json_text *object)
{
    int depth = 0;
    for (; text->at < text->end && (depth || *text->at != ']'); text->at++) {
        if (*text->at == '"') {
            text->at = closing_quote(text->at + 1, text->end);
            if (!text->at)
                break;
        } else if (*text->at == '{' && !depth++) {
            object->at = text->at;
        } else if (*text->at == '}' && depth && !--depth) {
            object->end = ++text->at;
            return true;
        }
    }
    text->at = text->end;
    return false;
}
