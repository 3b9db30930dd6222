/* Reading JSON texts member by member, wherever in the text a member is. */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct json_text {
    const char *at, *end;
};

/* A key, and the text from its value on. Neither has been unescaped. */
struct json_member {
    const char *key;
    size_t key_size;
    struct json_text value;
};

/* Moves to the next key of any object in the text, and behind its colon; false: none is left. */
bool json_next(struct json_text *text, struct json_member *member);
bool json_key_is(const struct json_member *member, const char *key);
/* Whether the value is the string `expected`, which needs no escaping. */
bool json_string_is(const struct json_text *value, const char *expected);
/* Whether the value is a string that is not empty. */
bool json_has_text(const struct json_text *value);
/* A string value as it is between its quotes; false: it is no string. */
bool json_string(const struct json_text *value, struct json_text *content);
/* A value that is a whole number; false: it is none. */
bool json_integer(const struct json_text *value, long long *number);
/* Takes the next object off an array of them, or off any text; false: none is left. */
bool json_object(struct json_text *text, struct json_text *object);

#endif
