#include "grpc_call.h"

#include <stdlib.h>
#include <string.h>

#include "ft_answer.h"

#define PREFIX 5
#define PATH "/inference.GRPCInferenceService/"
#define MAX_REQUEST (64 << 20)

enum status { OK = 0, INVALID_ARGUMENT = 3, NOT_FOUND = 5, UNIMPLEMENTED = 12 };

struct line {
    struct ft_answer *first, *last;
};

struct call {
    struct h2_stream stream;
    char method[32];
    struct bytes in;
    struct bytes out;          /* whole messages that are not answers of a model */
    struct line due;           /* answers whose message can go, the first perhaps in part */
    struct line later;         /* answers that wait for their timers */
    bool has_failed;           /* the status has been given */
};

#define CALL(pointer) CONTAINER(pointer, struct call, stream)

static void append(struct line *line, struct ft_answer *answer)
{
    answer->next = NULL;
    if (line->first)
        line->last->next = answer;
    else
        line->first = answer;
    line->last = answer;
}

static void take_out(struct line *line, struct ft_answer *answer)
{
    struct ft_answer *before = NULL;
    for (struct ft_answer *at = line->first; at != answer; at = at->next)
        before = at;
    if (before)
        before->next = answer->next;
    else
        line->first = answer->next;
    if (line->last == answer)
        line->last = before;
}

static void send_headers(struct call *call)
{
    struct bytes block = {0};
    hpack_write(&block, ":status", "200");
    hpack_write(&block, "content-type", "application/grpc");
    h2_headers(&call->stream, &block);
    bytes_free(&block);
}

static void end_call(struct call *call, enum status status, const char *text)
{
    struct bytes block = {0};
    char number[4] = {(char)('0' + status / 10), (char)('0' + status % 10), 0};
    hpack_write(&block, "grpc-status", status < 10 ? number + 1 : number);
    if (status != OK)
        hpack_write(&block, "grpc-message", text);
    call->has_failed = status != OK;
    h2_finish(&call->stream, &block);
    bytes_free(&block);
}

/* A message; it is freed. */
static void add_message(struct call *call, struct bytes *message)
{
    uint8_t *prefix = bytes_room(&call->out, PREFIX);
    prefix[0] = 0;
    put_u32_be(prefix + 1, (uint32_t)bytes_size(message));
    bytes_added(&call->out, PREFIX);
    bytes_add(&call->out, bytes_front(message), bytes_size(message));
    bytes_free(message);
    h2_wake(&call->stream);
}

/* A ModelStreamInferResponse that says what is wrong with a request. */
static void add_refusal(struct call *call, const struct ft_request *request, const char *text)
{
    struct bytes message = {0}, response = {0};
    pb_add_text(&message, 1, text);
    pb_add_bytes(&response, 3, request->id.data, request->id.size);
    pb_add_message(&message, 2, &response);
    add_message(call, &message);
}

static void wait_or_send(struct call *call, struct ft_answer *answer)
{
    uint64_t due = ft_due(answer);
    if (due && due > now()) {
        append(&call->later, answer);
        timer_set(&answer->timer, due);
    } else {
        append(&call->due, answer);
        h2_wake(&call->stream);
    }
}

static void message_due(struct timer *timer)
{
    struct ft_answer *answer = CONTAINER(timer, struct ft_answer, timer);
    struct call *call = answer->call;
    take_out(&call->later, answer);
    append(&call->due, answer);
    h2_wake(&call->stream);
}

static void start_answer(struct call *call, struct pb_slice message)
{
    struct ft_request request;
    const char *problem = ft_read_request(message, &request);
    struct ft_answer *answer = problem ? NULL : ft_open(&request);
    if (!answer) {
        add_refusal(call, &request, problem ? problem : "the answer would be too large");
        return;
    }
    answer->call = call;
    answer->timer.fire = message_due;
    wait_or_send(call, answer);
}

static bool is_idle(const struct call *call)
{
    return !call->due.first && !call->later.first;
}

/* A model's name and version, which all requests about a model begin with. */
static struct ft_request named(struct pb_slice message)
{
    struct ft_request request = {0};
    struct pb_field field;
    while (pb_next(&message, &field)) {
        if (field.number == 1)
            request.name = field.bytes;
        if (field.number == 2)
            request.version = field.bytes;
    }
    return request;
}

static bool has_method(const struct call *call, const char *method)
{
    return !strcmp(call->method, method);
}

static void answer_about_model(struct call *call, struct pb_slice message)
{
    struct ft_request request = named(message);
    struct bytes reply = {0}, config = {0};
    bool is_known = ft_parse_name(&request.name, &request.model);
    if (has_method(call, "ModelReady")) {
        pb_add_number(&reply, 1, is_known);
    } else if (!is_known) {
        end_call(call, NOT_FOUND, "Request for unknown model: it is not found");
        return;
    } else if (has_method(call, "ModelMetadata")) {
        ft_add_metadata(&reply, &request.name);
    } else {
        ft_add_config(&config, &request.name);
        pb_add_message(&reply, 1, &config);
    }
    add_message(call, &reply);
    end_call(call, OK, "");
}

static void answer_once(struct call *call, struct pb_slice message)
{
    if (has_method(call, "ServerLive") || has_method(call, "ServerReady")) {
        struct bytes reply = {0};
        pb_add_number(&reply, 1, 1);
        add_message(call, &reply);
        end_call(call, OK, "");
    } else if (has_method(call, "ModelReady") || has_method(call, "ModelConfig") ||
               has_method(call, "ModelMetadata")) {
        answer_about_model(call, message);
    } else if (has_method(call, "ModelInfer")) {
        end_call(call, UNIMPLEMENTED,
                 "ModelInfer RPC doesn't support models with decoupled transaction policy");
    } else {
        end_call(call, UNIMPLEMENTED, "this mock of Triton has no such method");
    }
}

/* Passes on every message that has come whole. */
static void read_messages(struct call *call)
{
    while (!call->has_failed && bytes_size(&call->in) >= PREFIX) {
        const uint8_t *prefix = bytes_front(&call->in);
        size_t size = get_u32_be(prefix + 1);
        if (prefix[0] || size > MAX_REQUEST) {
            end_call(call, UNIMPLEMENTED, "compressed or very long messages are not understood");
            return;
        }
        if (bytes_size(&call->in) < PREFIX + size)
            return;
        struct pb_slice message = {prefix + PREFIX, size};
        if (has_method(call, "ModelStreamInfer"))
            start_answer(call, message);
        else
            answer_once(call, message);
        bytes_take(&call->in, PREFIX + size);
    }
}

static struct h2_stream *open_call(void)
{
    struct call *call = allocate(sizeof *call);
    return &call->stream;
}

static void on_header(struct h2_stream *stream, const char *name, const char *value)
{
    struct call *call = CALL(stream);
    size_t size = sizeof PATH - 1;
    if (!strcmp(name, ":path") && !strncmp(value, PATH, size) &&
        strlen(value + size) < sizeof call->method)
        strcpy(call->method, value + size);
}

static void begin_call(struct h2_stream *stream) { send_headers(CALL(stream)); }

static void on_data(struct h2_stream *stream, const uint8_t *data, size_t size, bool is_end)
{
    struct call *call = CALL(stream);
    if (stream->is_finishing)
        return;
    bytes_add(&call->in, data, size);
    read_messages(call);
    if (!is_end || stream->is_finishing)
        return;
    if (!has_method(call, "ModelStreamInfer") || bytes_size(&call->in))
        end_call(call, INVALID_ARGUMENT, "the request is not whole");
    else if (is_idle(call))
        end_call(call, OK, "");
}

/* A message that has begun is finished first; then whatever is not an answer. */
static size_t ready(struct h2_stream *stream, const uint8_t **data)
{
    struct call *call = CALL(stream);
    struct ft_answer *answer = call->due.first;
    if (bytes_size(&call->out) && !(answer && answer->sent)) {
        *data = bytes_front(&call->out);
        return bytes_size(&call->out);
    }
    if (!answer)
        return 0;
    *data = answer->message + answer->sent;
    return answer->size - answer->sent;
}

/* A message of the first answer has gone whole: on to its next, behind the other answers. */
static void go_on(struct call *call, struct ft_answer *answer)
{
    take_out(&call->due, answer);
    if (ft_advance(answer)) {
        wait_or_send(call, answer);
        return;
    }
    ft_free(answer);
    if (is_idle(call) && call->stream.has_ended && !call->stream.is_finishing)
        end_call(call, OK, "");
}

static void sent(struct h2_stream *stream, size_t size)
{
    struct call *call = CALL(stream);
    struct ft_answer *answer = call->due.first;
    if (bytes_size(&call->out) && !(answer && answer->sent)) {
        bytes_take(&call->out, size);
        return;
    }
    answer->sent += size;
    if (answer->sent == answer->size)
        go_on(call, answer);
}

static void free_line(struct line *line)
{
    while (line->first) {
        struct ft_answer *answer = line->first;
        line->first = answer->next;
        ft_free(answer);
    }
}

static void close_call(struct h2_stream *stream)
{
    struct call *call = CALL(stream);
    free_line(&call->due);
    free_line(&call->later);
    bytes_free(&call->in);
    bytes_free(&call->out);
    free(call);
}

const struct h2_service triton_grpc = {
    .open = open_call,
    .header = on_header,
    .begin = begin_call,
    .receive = on_data,
    .ready = ready,
    .sent = sent,
    .close = close_call,
};
