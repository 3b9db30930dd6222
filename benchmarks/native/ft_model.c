#include "ft_model.h"

#include <stdlib.h>
#include <string.h>

/* enum DataType of Triton's model_config.proto. */
enum { TYPE_UINT32 = 4, TYPE_UINT64 = 5, TYPE_INT32 = 8, TYPE_FP32 = 11 };

struct tensor {
    const char *name;
    int type;
    int64_t dims[3]; /* ended by 0 */
    bool is_reshaped; /* to [], as the published models declare one value of each row */
    bool is_optional;
};

static const struct tensor inputs[] = {
    {"input_ids", TYPE_UINT32, {-1}, false, false},
    {"input_lengths", TYPE_UINT32, {1}, true, false},
    {"request_output_len", TYPE_UINT32, {-1}, false, false},
    {"start_id", TYPE_UINT32, {1}, true, true},
    {"end_id", TYPE_UINT32, {1}, true, true},
    {"runtime_top_k", TYPE_UINT32, {1}, true, true},
    {"runtime_top_p", TYPE_FP32, {1}, true, true},
    {"temperature", TYPE_FP32, {1}, true, true},
    {"repetition_penalty", TYPE_FP32, {1}, true, true},
    {"random_seed", TYPE_UINT64, {1}, true, true},
    {"bad_words_list", TYPE_INT32, {2, -1}, false, true},
    {"stop_words_list", TYPE_INT32, {2, -1}, false, true},
};
static const struct tensor outputs[] = {
    {"output_ids", TYPE_UINT32, {-1, -1}, false, false},
    {"sequence_length", TYPE_UINT32, {-1}, false, false},
};
enum { NUM_INPUTS = sizeof inputs / sizeof *inputs, NUM_OUTPUTS = 2 };

static uint32_t *all_tokens;
static size_t num_tokens;

void ft_set_tokens(uint32_t *tokens, size_t count)
{
    all_tokens = tokens;
    num_tokens = count;
}

uint32_t ft_token(size_t index) { return all_tokens[index % num_tokens]; }

/* A positive number behind `key`, taken off the front of `name`. */
static bool take_number(const char **name, const char *key, uint32_t *value)
{
    size_t size = strlen(key);
    if (strncmp(*name, key, size))
        return false;
    char *end;
    unsigned long number = strtoul(*name + size, &end, 10);
    if (end == *name + size || !number || number > 1000000000)
        return false;
    *name = end;
    *value = (uint32_t)number;
    return true;
}

bool ft_parse_name(const struct pb_slice *name, struct ft_model *model)
{
    char text[64] = "";
    *model = (struct ft_model){.pace = 0, .step = 1};
    if (name->size >= sizeof text || name->size < 2 || memcmp(name->data, "ft", 2))
        return false;
    memcpy(text, name->data, name->size);
    const char *rest = text + 2;
    while (take_number(&rest, "-pace", &model->pace) || take_number(&rest, "-step", &model->step))
        ;
    return !*rest;
}

static const char *type_name(int type)
{
    return type == TYPE_UINT32 ? "UINT32" : type == TYPE_UINT64 ? "UINT64"
         : type == TYPE_INT32  ? "INT32"  : "FP32";
}

static size_t num_dims(const struct tensor *tensor)
{
    size_t count = 0;
    while (count < 3 && tensor->dims[count])
        count++;
    return count;
}

static void add_config_tensor(struct bytes *to, const struct tensor *tensor, bool is_input)
{
    struct bytes item = {0}, no_dims = {0};
    pb_add_text(&item, 1, tensor->name);
    pb_add_number(&item, 2, (uint64_t)tensor->type);
    pb_add_numbers(&item, is_input ? 4 : 3, tensor->dims, num_dims(tensor));
    if (tensor->is_reshaped)
        pb_add_message(&item, 5, &no_dims);
    if (tensor->is_optional)
        pb_add_number(&item, 8, 1);
    pb_add_message(to, is_input ? 5 : 6, &item);
}

void ft_add_config(struct bytes *to, const struct pb_slice *name)
{
    struct bytes policy = {0};
    pb_add_bytes(to, 1, name->data, name->size);
    pb_add_number(to, 4, FT_MAX_BATCH);
    for (size_t i = 0; i < NUM_INPUTS; i++)
        add_config_tensor(to, &inputs[i], true);
    for (size_t i = 0; i < NUM_OUTPUTS; i++)
        add_config_tensor(to, &outputs[i], false);
    pb_add_text(to, 17, "fastertransformer");
    pb_add_number(&policy, 1, 1);
    pb_add_message(to, 19, &policy);
}

static void add_metadata_tensor(struct bytes *to, uint32_t field, const struct tensor *tensor)
{
    struct bytes item = {0};
    int64_t shape[4] = {-1};
    memcpy(shape + 1, tensor->dims, sizeof tensor->dims);
    pb_add_text(&item, 1, tensor->name);
    pb_add_text(&item, 2, type_name(tensor->type));
    pb_add_numbers(&item, 3, shape, num_dims(tensor) + 1);
    pb_add_message(to, field, &item);
}

void ft_add_metadata(struct bytes *to, const struct pb_slice *name)
{
    pb_add_bytes(to, 1, name->data, name->size);
    pb_add_text(to, 2, "1");
    for (size_t i = 0; i < NUM_INPUTS; i++)
        add_metadata_tensor(to, 4, &inputs[i]);
    for (size_t i = 0; i < NUM_OUTPUTS; i++)
        add_metadata_tensor(to, 5, &outputs[i]);
}

/* An InferInputTensor. */
struct input {
    struct pb_slice name, datatype;
    uint64_t shape[4];
    size_t num_dims;
    struct pb_slice raw;
};

static struct bytes refusal;

#define REFUSE(...)                                                                                \
    (refusal.start = refusal.end = 0, bytes_format(&refusal, __VA_ARGS__),                         \
     (const char *)bytes_front(&refusal))
#define TEXT(slice) (int)(slice).size, (const char *)(slice).data

static void add_dim(struct input *input, uint64_t dim)
{
    if (input->num_dims < 4)
        input->shape[input->num_dims] = dim;
    input->num_dims++;
}

static bool read_input(struct pb_slice message, struct input *input)
{
    struct pb_field field;
    *input = (struct input){0};
    while (pb_next(&message, &field)) {
        if (field.number == 1)
            input->name = field.bytes;
        if (field.number == 2)
            input->datatype = field.bytes;
        if (field.number == 3 && field.type == PB_VARINT)
            add_dim(input, field.value);
        while (field.number == 3 && field.type == PB_BYTES && field.bytes.size) {
            uint64_t dim;
            if (!pb_varint(&field.bytes, &dim))
                return false;
            add_dim(input, dim);
        }
    }
    return !message.size;
}

static const struct tensor *declared(const struct input *input)
{
    for (size_t i = 0; i < NUM_INPUTS; i++)
        if (pb_is(&input->name, inputs[i].name))
            return &inputs[i];
    return NULL;
}

static const char *check_input(const struct input *input, struct ft_request *request)
{
    const struct tensor *tensor = declared(input);
    if (!tensor)
        return REFUSE("unexpected inference input '%.*s' for model '%.*s'", TEXT(input->name),
                      TEXT(request->name));
    if (!pb_is(&input->datatype, type_name(tensor->type)))
        return REFUSE("inference input '%s' data-type is '%.*s', but model '%.*s' expects '%s'",
                      tensor->name, TEXT(input->datatype), TEXT(request->name),
                      type_name(tensor->type));
    if (input->num_dims != num_dims(tensor) + 1 || !input->shape[0])
        return REFUSE("unexpected shape for input '%s' for model '%.*s'", tensor->name,
                      TEXT(request->name));
    if (input->shape[0] > FT_MAX_BATCH)
        return REFUSE("inference request batch-size must be <= %d for '%.*s'", FT_MAX_BATCH,
                      TEXT(request->name));
    uint64_t size = tensor->type == TYPE_UINT64 ? 8 : 4;
    for (size_t i = 0; i < input->num_dims; i++) {
        if (input->shape[i] > 1 << 24)
            return REFUSE("input '%s' is too large", tensor->name);
        size *= input->shape[i];
    }
    if (input->raw.size != size)
        return REFUSE("input byte size mismatch for input '%s' for model '%.*s'. Expected %llu,"
                      " got %zu", tensor->name, TEXT(request->name), (unsigned long long)size,
                      input->raw.size);
    if (request->rows && input->shape[0] != request->rows)
        return REFUSE("input '%s' batch size does not match other inputs for '%.*s'",
                      tensor->name, TEXT(request->name));
    request->rows = (uint32_t)input->shape[0];
    return NULL;
}

static void keep(const struct input *input, struct ft_request *request)
{
    if (pb_is(&input->name, "input_ids")) {
        request->input_ids = input->raw.data;
        request->prompt_length = (uint32_t)input->shape[1];
    } else if (input->shape[1] == 1) {
        if (pb_is(&input->name, "input_lengths"))
            request->input_lengths = input->raw.data;
        if (pb_is(&input->name, "request_output_len"))
            request->output_lengths = input->raw.data;
        if (pb_is(&input->name, "end_id"))
            request->end_ids = input->raw.data;
    }
}

static const char *check_lengths(const struct ft_request *request)
{
    if (!request->input_ids || !request->input_lengths || !request->output_lengths)
        return REFUSE("input_ids, input_lengths and request_output_len [B, 1] are required by"
                      " model '%.*s'", TEXT(request->name));
    for (uint32_t row = 0; row < request->rows; row++) {
        uint32_t length = get_u32_le(request->input_lengths + 4 * row);
        uint32_t wanted = get_u32_le(request->output_lengths + 4 * row);
        if (length > request->prompt_length || !wanted || wanted > 1 << 20)
            return REFUSE("row %u: input_lengths %u of %u, request_output_len %u", row, length,
                          request->prompt_length, wanted);
    }
    return NULL;
}

static const char *find_model(struct ft_request *request)
{
    if (!ft_parse_name(&request->name, &request->model))
        return REFUSE("Request for unknown model: '%.*s' is not found", TEXT(request->name));
    if (request->version.size && !pb_is(&request->version, "1"))
        return REFUSE("Request for unknown model: '%.*s' version %.*s is not at ready state",
                      TEXT(request->name), TEXT(request->version));
    return NULL;
}

const char *ft_read_request(struct pb_slice message, struct ft_request *request)
{
    struct input found[NUM_INPUTS];
    struct pb_field field;
    size_t num_inputs = 0, num_raw = 0;
    const char *problem;
    *request = (struct ft_request){0};
    while (pb_next(&message, &field)) {
        if (field.number == 1)
            request->name = field.bytes;
        if (field.number == 2)
            request->version = field.bytes;
        if (field.number == 3)
            request->id = field.bytes;
        if (field.number == 5 && (num_inputs == NUM_INPUTS ||
                                  !read_input(field.bytes, &found[num_inputs++])))
            return REFUSE("expected number of inputs between 3 and %d", NUM_INPUTS);
        if (field.number == 7 && num_raw < num_inputs)
            found[num_raw++].raw = field.bytes;
    }
    if (message.size)
        return REFUSE("the request is not a ModelInferRequest");
    if ((problem = find_model(request)))
        return problem;
    for (size_t i = 0; i < num_inputs; i++) {
        if ((problem = check_input(&found[i], request)))
            return problem;
        keep(&found[i], request);
    }
    return check_lengths(request);
}
