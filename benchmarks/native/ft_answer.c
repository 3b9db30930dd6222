#include "ft_answer.h"

#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE (64 << 20)
#define GRPC_PREFIX 5

static void add_output(struct bytes *to, const char *name, const int64_t *shape, size_t num_dims)
{
    struct bytes item = {0};
    pb_add_text(&item, 1, name);
    pb_add_text(&item, 2, "UINT32");
    pb_add_numbers(&item, 3, shape, num_dims);
    pb_add_message(to, 5, &item);
}

/* `triton_final_response`, which Triton adds to the answers of decoupled models. */
static void add_final(struct bytes *to)
{
    struct bytes entry = {0}, value = {0};
    pb_add_text(&entry, 1, "triton_final_response");
    pb_add_number(&value, 1, 0);
    pb_add_message(&entry, 2, &value);
    pb_add_message(to, 4, &entry);
}

/* A ModelInferResponse, and where in it the bytes are that change. */
static void add_response(struct ft_answer *answer, const struct ft_request *request,
                         struct bytes *to)
{
    int64_t ids_shape[] = {answer->rows, 1, answer->width};
    size_t ids_size = 4 * (size_t)answer->rows * answer->width;
    pb_add_bytes(to, 1, request->name.data, request->name.size);
    pb_add_text(to, 2, "1");
    pb_add_bytes(to, 3, request->id.data, request->id.size);
    add_final(to);
    answer->final_at = to->end - 1;
    add_output(to, "output_ids", ids_shape, 3);
    add_output(to, "sequence_length", ids_shape, 2);
    pb_add_header(to, 6, ids_size);
    answer->ids_at = to->end;
    bytes_room(to, ids_size);
    bytes_added(to, ids_size);
    pb_add_header(to, 6, 4 * answer->rows);
    answer->lengths_at = to->end;
    bytes_room(to, 4 * answer->rows);
    bytes_added(to, 4 * answer->rows);
}

/* The message round it: ModelStreamInferResponse, and gRPC's prefix. */
static void wrap(struct ft_answer *answer, const struct bytes *response)
{
    struct bytes message = {0};
    bytes_add(&message, "\0\0\0\0", GRPC_PREFIX);
    pb_add_header(&message, 2, bytes_size(response));
    size_t shift = bytes_size(&message);
    bytes_add(&message, bytes_front(response), bytes_size(response));
    put_u32_be(message.data + 1, (uint32_t)(bytes_size(&message) - GRPC_PREFIX));
    answer->message = message.data;
    answer->size = bytes_size(&message);
    answer->final_at += shift;
    answer->ids_at += shift;
    answer->lengths_at += shift;
}

static uint8_t *row_ids(struct ft_answer *answer, uint32_t row)
{
    return answer->message + answer->ids_at + 4 * (size_t)row * answer->width;
}

static void fill_rows(struct ft_answer *answer, const struct ft_request *request)
{
    for (uint32_t row = 0; row < answer->rows; row++) {
        uint32_t length = answer->input_lengths[row];
        uint32_t end_id = request->end_ids ? get_u32_le(request->end_ids + 4 * row) : 0;
        uint8_t *ids = row_ids(answer, row);
        memcpy(ids, request->input_ids + 4 * (size_t)row * answer->prompt_length, 4 * length);
        for (uint32_t i = length; i < answer->width; i++)
            put_u32_le(ids + 4 * (size_t)i, end_id);
    }
}

static void copy_lengths(struct ft_answer *answer, const struct ft_request *request)
{
    answer->input_lengths = allocate(4 * answer->rows);
    answer->output_lengths = allocate(4 * answer->rows);
    for (uint32_t row = 0; row < answer->rows; row++) {
        uint32_t wanted = get_u32_le(request->output_lengths + 4 * row);
        answer->input_lengths[row] = get_u32_le(request->input_lengths + 4 * row);
        answer->output_lengths[row] = wanted;
        if (wanted > answer->longest)
            answer->longest = wanted;
    }
}

struct ft_answer *ft_open(const struct ft_request *request)
{
    struct ft_answer *answer = allocate(sizeof *answer);
    struct bytes response = {0};
    answer->rows = request->rows;
    answer->prompt_length = request->prompt_length;
    answer->model = request->model;
    answer->began = now();
    copy_lengths(answer, request);
    answer->width = answer->prompt_length + answer->longest;
    if (4 * (uint64_t)answer->rows * answer->width > MAX_MESSAGE) {
        ft_free(answer);
        return NULL;
    }
    add_response(answer, request, &response);
    wrap(answer, &response);
    bytes_free(&response);
    fill_rows(answer, request);
    ft_advance(answer);
    return answer;
}

void ft_free(struct ft_answer *answer)
{
    timer_cancel(&answer->timer);
    free(answer->message);
    free(answer->input_lengths);
    free(answer->output_lengths);
    free(answer);
}

static void advance_row(struct ft_answer *answer, uint32_t row, uint32_t until)
{
    uint8_t *ids = row_ids(answer, row) + 4 * (size_t)answer->input_lengths[row];
    uint32_t end = answer->output_lengths[row] < until ? answer->output_lengths[row] : until;
    for (uint32_t i = answer->num_tokens; i < end; i++)
        put_u32_le(ids + 4 * (size_t)i, ft_token(i));
    /* FasterTransformer counts from the padded prompt. */
    put_u32_le(answer->message + answer->lengths_at + 4 * row, answer->prompt_length + end);
}

bool ft_advance(struct ft_answer *answer)
{
    uint32_t left = answer->longest - answer->num_tokens;
    if (!left)
        return false;
    uint32_t until = answer->num_tokens + (left < answer->model.step ? left : answer->model.step);
    for (uint32_t row = 0; row < answer->rows; row++)
        advance_row(answer, row, until);
    answer->num_tokens = until;
    answer->message[answer->final_at] = until == answer->longest;
    answer->sent = 0;
    return true;
}

uint64_t ft_due(const struct ft_answer *answer)
{
    if (!answer->model.pace)
        return 0;
    return answer->began + answer->num_tokens * SECOND / answer->model.pace;
}
