#include "encoder_request.h"

#include <string.h>

struct tensor {
    struct json_text name, datatype;
    long long shape[2];
    size_t num_dims;
    long long size; /* bytes; -1: not binary */
};

static struct bytes refusal;

#define REFUSE(...)                                                                                \
    (refusal.start = refusal.end = 0, bytes_format(&refusal, __VA_ARGS__),                         \
     (const char *)bytes_front(&refusal))
#define TEXT(text) (int)((text).end - (text).at), (text).at

static bool is_text(const struct json_text *text, const char *expected)
{
    size_t size = strlen(expected);
    return text->at && (size_t)(text->end - text->at) == size && !memcmp(text->at, expected, size);
}

/* The numbers between brackets. */
static void read_shape(struct json_text value, struct tensor *tensor)
{
    for (; value.at < value.end && *value.at != ']'; value.at++) {
        bool begins = *value.at >= '0' && *value.at <= '9' &&
                      (value.at[-1] < '0' || value.at[-1] > '9');
        if (!begins)
            continue;
        if (tensor->num_dims < 2)
            json_integer(&value, &tensor->shape[tensor->num_dims]);
        tensor->num_dims++;
    }
}

static void read_tensor(struct json_text object, struct tensor *tensor)
{
    struct json_member member;
    *tensor = (struct tensor){.size = -1};
    while (json_next(&object, &member)) {
        if (json_key_is(&member, "name"))
            json_string(&member.value, &tensor->name);
        else if (json_key_is(&member, "datatype"))
            json_string(&member.value, &tensor->datatype);
        else if (json_key_is(&member, "shape"))
            read_shape(member.value, tensor);
        else if (json_key_is(&member, "binary_data_size"))
            json_integer(&member.value, &tensor->size);
    }
}

static const char *check(const struct tensor *tensor, const struct encoder_request *request,
                         const char *model, size_t left)
{
    if (!tensor->name.at || (!is_text(&tensor->name, "input_ids") &&
                             !is_text(&tensor->name, "attention_mask") &&
                             !is_text(&tensor->name, "token_type_ids")))
        return REFUSE("unexpected inference input '%.*s' for model '%s'", TEXT(tensor->name),
                      model);
    if (!is_text(&tensor->datatype, "INT64"))
        return REFUSE("inference input '%.*s' data-type is '%.*s', but model '%s' expects 'INT64'",
                      TEXT(tensor->name), TEXT(tensor->datatype), model);
    if (tensor->num_dims != 2 || tensor->shape[0] < 1 || tensor->shape[1] < 1 ||
        tensor->shape[1] > 1 << 20)
        return REFUSE("unexpected shape for input '%.*s' for model '%s'. Expected [-1,-1]",
                      TEXT(tensor->name), model);
    if (tensor->shape[0] > ENCODER_MAX_BATCH)
        return REFUSE("inference request batch-size must be <= %d for '%s'", ENCODER_MAX_BATCH,
                      model);
    if (request->rows && ((size_t)tensor->shape[0] != request->rows ||
                          (size_t)tensor->shape[1] != request->length))
        return REFUSE("input '%.*s' has another shape than other inputs for '%s'",
                      TEXT(tensor->name), model);
    long long size = 8 * tensor->shape[0] * tensor->shape[1];
    if (tensor->size != size || left < (size_t)size)
        return REFUSE("input '%.*s' must be %lld bytes of binary data", TEXT(tensor->name), size);
    return NULL;
}

static const char *read_inputs(struct json_text list, const struct http_request *from,
                               const char *model, struct encoder_request *request)
{
    struct json_text object;
    struct tensor tensor;
    const char *problem;
    size_t at = from->json_size;
    while (json_object(&list, &object)) {
        read_tensor(object, &tensor);
        if ((problem = check(&tensor, request, model, from->body_size - at)))
            return problem;
        request->rows = (size_t)tensor.shape[0];
        request->length = (size_t)tensor.shape[1];
        if (is_text(&tensor.name, "input_ids"))
            request->input_ids = from->body + at;
        if (is_text(&tensor.name, "attention_mask"))
            request->attention_mask = from->body + at;
        at += (size_t)tensor.size;
    }
    return NULL;
}

static const char *check_outputs(struct json_text list, const char *model, const char *output)
{
    struct json_text object;
    struct tensor tensor;
    while (json_object(&list, &object)) {
        read_tensor(object, &tensor);
        if (!is_text(&tensor.name, output))
            return REFUSE("unexpected inference output for model '%s', which has '%s'", model,
                          output);
    }
    return NULL;
}

const char *encoder_read(const struct http_request *from, const char *model, const char *output,
                         struct encoder_request *request)
{
    const char *json = (const char *)from->body, *problem = NULL;
    struct json_text text = {json, json + from->json_size};
    struct json_member member;
    *request = (struct encoder_request){0};
    while (!problem && json_next(&text, &member)) {
        if (json_key_is(&member, "id"))
            json_string(&member.value, &request->id);
        else if (json_key_is(&member, "binary_data") || json_key_is(&member, "binary_data_output"))
            request->is_binary |= *member.value.at == 't';
        else if (json_key_is(&member, "inputs"))
            problem = read_inputs(member.value, from, model, request);
        else if (json_key_is(&member, "outputs"))
            problem = check_outputs(member.value, model, output);
    }
    if (!problem && (!request->input_ids || !request->attention_mask))
        return REFUSE("model '%s' needs input_ids and attention_mask", model);
    return problem;
}
