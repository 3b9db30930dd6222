#include "encoder_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder_request.h"

/* Values that answers are cut from, at a place that depends on the row's tokens. */
#define NUM_VALUES 65536
#define MAX_DIMENSION 16384

struct model {
    char name[32];
    const char *output;
    size_t width; /* of the output, in floats */
};

static float *values; /* NUM_VALUES + MAX_DIMENSION of them, between -1 and 1 */

static void make_values(void)
{
    uint32_t state = 1;
    values = allocate((NUM_VALUES + MAX_DIMENSION) * sizeof *values);
    for (size_t i = 0; i < NUM_VALUES + MAX_DIMENSION; i++) {
        state = state * 1664525 + 1013904223; /* Numerical Recipes' generator */
        values[i] = (float)(state >> 8) / (1 << 23) - 1;
    }
}

/* FNV-1a over the tokens that the mask leaves, so that padding changes nothing. */
static size_t place_of(const struct encoder_request *request, size_t row)
{
    uint32_t hash = 2166136261u;
    for (size_t i = row * request->length; i < (row + 1) * request->length; i++)
        if (request->attention_mask[8 * i])
            hash = (hash ^ get_u32_le(request->input_ids + 8 * i)) * 16777619u;
    return hash % NUM_VALUES;
}

static bool find_model(const char *name, size_t size, struct model *model)
{
    char *end = NULL;
    if (size >= sizeof model->name)
        return false;
    memcpy(model->name, name, size);
    model->name[size] = 0;
    bool is_rerank = !strcmp(model->name, "rerank");
    model->output = is_rerank ? "logits" : "sentence_embedding";
    model->width = 1;
    if (is_rerank)
        return true;
    if (strncmp(model->name, "embed", 5))
        return false;
    model->width = strtoul(model->name + 5, &end, 10);
    return end > model->name + 5 && !*end && model->width && model->width <= MAX_DIMENSION;
}

static void answer_error(struct bytes *answer, int status, const char *text)
{
    struct bytes json = {0};
    bytes_text(&json, "{\"error\":\"");
    for (; *text; text++)
        bytes_add(&json, *text == '"' || *text == '\\' || *text < ' ' ? "?" : text, 1);
    bytes_text(&json, "\"}");
    http1_json(answer, status, (const char *)bytes_front(&json), bytes_size(&json));
    bytes_free(&json);
}

static void answer_config(const struct model *model, struct bytes *answer)
{
    static const char input[] = "{\"name\":\"%s\",\"data_type\":\"TYPE_INT64\",\"dims\":[-1]%s}%s";
    struct bytes json = {0};
    bytes_format(&json, "{\"name\":\"%s\",\"platform\":\"onnxruntime_onnx\",", model->name);
    bytes_format(&json, "\"backend\":\"onnxruntime\",\"max_batch_size\":%d,\"input\":[",
                 ENCODER_MAX_BATCH);
    bytes_format(&json, input, "input_ids", "", ",");
    bytes_format(&json, input, "attention_mask", "", ",");
    bytes_format(&json, input, "token_type_ids", ",\"optional\":true", "],");
    bytes_format(&json, "\"output\":[{\"name\":\"%s\",\"data_type\":\"TYPE_FP32\",", model->output);
    bytes_format(&json, "\"dims\":[%zu]}]}", model->width);
    http1_json(answer, 200, (const char *)bytes_front(&json), bytes_size(&json));
    bytes_free(&json);
}

static void answer_metadata(const struct model *model, struct bytes *answer)
{
    static const char input[] = "{\"name\":\"%s\",\"datatype\":\"INT64\",\"shape\":[-1,-1]}%s";
    struct bytes json = {0};
    bytes_format(&json, "{\"name\":\"%s\",\"versions\":[\"1\"],\"platform\":\"onnxruntime_onnx\",",
                 model->name);
    bytes_text(&json, "\"inputs\":[");
    bytes_format(&json, input, "input_ids", ",");
    bytes_format(&json, input, "attention_mask", ",");
    bytes_format(&json, input, "token_type_ids", "],");
    bytes_format(&json, "\"outputs\":[{\"name\":\"%s\",\"datatype\":\"FP32\",\"shape\":[-1,%zu]}]}",
                 model->output, model->width);
    http1_json(answer, 200, (const char *)bytes_front(&json), bytes_size(&json));
    bytes_free(&json);
}

/* The values as JSON; else their size, and they follow as they are. */
static void write_values(const struct model *model, const struct encoder_request *request,
                         struct bytes *json)
{
    if (request->is_binary) {
        bytes_format(json, "\"parameters\":{\"binary_data_size\":%zu}}]}",
                     request->rows * model->width * sizeof *values);
        return;
    }
    bytes_text(json, "\"data\":[");
    for (size_t row = 0; row < request->rows; row++)
        for (size_t i = 0; i < model->width; i++)
            bytes_format(json, "%s%.9g", row || i ? "," : "",
                         (double)values[place_of(request, row) + i]);
    bytes_text(json, "]}]}");
}

static void write_answer(const struct model *model, const struct encoder_request *request,
                         const struct bytes *json, struct bytes *answer)
{
    size_t row_size = model->width * sizeof *values;
    size_t size = bytes_size(json) + request->rows * row_size;
    bytes_format(answer,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                 "Inference-Header-Content-Length: %zu\r\nContent-Length: %zu\r\n\r\n",
                 bytes_size(json), size);
    bytes_add(answer, bytes_front(json), bytes_size(json));
    for (size_t row = 0; row < request->rows; row++)
        bytes_add(answer, values + place_of(request, row), row_size);
}

static void answer_inference(const struct model *model, const struct http_request *from,
                             struct bytes *answer)
{
    struct encoder_request request;
    struct bytes json = {0};
    const char *problem = encoder_read(from, model->name, model->output, &request);
    if (problem) {
        answer_error(answer, 400, problem);
        return;
    }
    bytes_format(&json, "{\"id\":\"%.*s\",", (int)(request.id.end - request.id.at),
                 request.id.at ? request.id.at : "");
    bytes_format(&json, "\"model_name\":\"%s\",\"model_version\":\"1\",\"outputs\":[", model->name);
    bytes_format(&json, "{\"name\":\"%s\",\"datatype\":\"FP32\",\"shape\":[%zu,%zu],",
                 model->output, request.rows, model->width);
    write_values(model, &request, &json);
    if (request.is_binary)
        write_answer(model, &request, &json, answer);
    else
        http1_json(answer, 200, (const char *)bytes_front(&json), bytes_size(&json));
    bytes_free(&json);
}

static void answer_about_model(const char *path, const struct http_request *from,
                               struct bytes *answer)
{
    struct model model;
    size_t size = strcspn(path, "/");
    bool is_known = find_model(path, size, &model);
    path += size;
    if (!strncmp(path, "/versions/1", 11))
        path += 11;
    if (!strcmp(path, "/ready"))
        http1_json(answer, is_known ? 200 : 400, "", 0);
    else if (!is_known)
        answer_error(answer, 404, "Request for unknown model: it is not found");
    else if (!strcmp(path, "/config"))
        answer_config(&model, answer);
    else if (!strcmp(path, "/infer") && !strcmp(from->method, "POST"))
        answer_inference(&model, from, answer);
    else if (!*path)
        answer_metadata(&model, answer);
    else
        answer_error(answer, 404, "this mock of Triton does not have that");
}

static void answer_request(const struct http_request *request, struct bytes *answer)
{
    static const char server[] = "{\"name\":\"triton\",\"version\":\"mock\","
                                 "\"extensions\":[\"binary_tensor_data\"]}";
    const char *path = request->path;
    if (!strcmp(path, "/v2/health/ready") || !strcmp(path, "/v2/health/live"))
        http1_json(answer, 200, "", 0);
    else if (!strcmp(path, "/v2"))
        http1_json(answer, 200, server, sizeof server - 1);
    else if (!strncmp(path, "/v2/models/", 11))
        answer_about_model(path + 11, request, answer);
    else
        answer_error(answer, 404, "this mock of Triton does not have that");
}

void encoder_serve(int port)
{
    make_values();
    http1_serve(port, answer_request);
}
