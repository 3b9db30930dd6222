/* How much mock_triton can send: opens streams on one connection, counts messages, looks at none.
   A stream that ends is replaced. Prints what http_load prints. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hpack.h"
#include "http2.h"
#include "load.h"
#include "net.h"
#include "protobuf.h"

#define USAGE                                                                                      \
    "usage: grpc_drain --target 127.0.0.1:PORT --connections STREAMS\n"                            \
    "                  (--requests M | --seconds S)\n"                                             \
    "                  [--model ft] [--prompt-tokens 32] [--max-tokens 512]\n"
#define READ_SIZE (1 << 20)
#define WINDOW 0x7fffffffu
#define PREFIX 5
/* What the mock takes without granting more, for all streams together. */
#define MOST_SENT (12 << 20)
#define MILLISECOND 1e6
/* What a ModelStreamInferResponse begins with that has an error and no answer: field 1, bytes. */
#define ERROR_MESSAGE 0x0a

struct stream {
    uint8_t prefix[PREFIX];
    size_t prefix_size, left; /* of the message that is being read */
    uint64_t began, messages;
    bool is_at_start, is_refused, is_failed;
};

static struct load_plan plan;
static const char *model = "ft";
static uint32_t prompt_tokens = 32, max_tokens = 512;

static struct watch watch = {.fd = -1};
static struct timer end;
static struct bytes in, out, request;
static struct hpack_decoder decoder;
static struct stream *streams; /* by half of the id */
static size_t num_streams, room_for_streams;
static struct load_results results;
static uint64_t arrival;
static uint32_t ungranted;

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n" USAGE, what, text);
    exit(2);
}

static void add_frame(enum h2_type type, uint8_t flags, uint32_t stream,
                      const struct bytes *payload)
{
    uint8_t *header = bytes_room(&out, FRAME_HEADER);
    put_u32_be(header, (uint32_t)bytes_size(payload) << 8 | type);
    header[4] = flags;
    put_u32_be(header + 5, stream);
    bytes_added(&out, FRAME_HEADER);
    bytes_add(&out, bytes_front(payload), bytes_size(payload));
}

static void grant(uint32_t size)
{
    struct bytes increment = {0};
    put_u32_be(bytes_room(&increment, 4), size);
    bytes_added(&increment, 4);
    add_frame(H2_WINDOW_UPDATE, 0, 0, &increment);
    bytes_free(&increment);
}

static void add_input(struct bytes *message, struct bytes *raw, const char *name,
                      const uint32_t *values, uint32_t count)
{
    struct bytes item = {0};
    int64_t shape[] = {1, count};
    pb_add_text(&item, 1, name);
    pb_add_text(&item, 2, "UINT32");
    pb_add_numbers(&item, 3, shape, 2);
    pb_add_message(message, 5, &item);
    pb_add_header(raw, 7, 4 * (size_t)count);
    for (uint32_t i = 0; i < count; i++) {
        put_u32_le(bytes_room(raw, 4), values[i]);
        bytes_added(raw, 4);
    }
}

/* The same ModelInferRequest for every stream, with gRPC's prefix. */
static void make_request(void)
{
    struct bytes message = {0}, raw = {0};
    uint32_t *prompt = allocate(4 * (size_t)prompt_tokens);
    for (uint32_t i = 0; i < prompt_tokens; i++)
        prompt[i] = 3 + i;
    pb_add_text(&message, 1, model);
    add_input(&message, &raw, "input_ids", prompt, prompt_tokens);
    add_input(&message, &raw, "input_lengths", &prompt_tokens, 1);
    add_input(&message, &raw, "request_output_len", &max_tokens, 1);
    bytes_add(&message, bytes_front(&raw), bytes_size(&raw));
    if (bytes_size(&message) > MOST_SENT / plan.num_connections)
        fail("--prompt-tokens", "are more than the mock takes at once on one connection");
    bytes_add(&request, "", 1);
    put_u32_be(bytes_room(&request, 4), (uint32_t)bytes_size(&message));
    bytes_added(&request, 4);
    bytes_add(&request, bytes_front(&message), bytes_size(&message));
    free(prompt);
    bytes_free(&raw);
    bytes_free(&message);
}

/* In frames that are not too long. */
static void add_request(uint32_t id)
{
    struct bytes part = request;
    for (; bytes_size(&part) > SMALLEST_MAX_FRAME; part.start += SMALLEST_MAX_FRAME) {
        struct bytes frame = part;
        frame.end = part.start + SMALLEST_MAX_FRAME;
        add_frame(H2_DATA, 0, id, &frame);
    }
    add_frame(H2_DATA, END_STREAM, id, &part);
}

static void open_stream(void)
{
    struct bytes block = {0};
    if (plan.num_requests && num_streams == plan.num_requests)
        return;
    if (num_streams == room_for_streams) {
        room_for_streams = room_for_streams ? 2 * room_for_streams : 1024;
        streams = realloc(streams, room_for_streams * sizeof *streams);
        if (!streams)
            fail("grpc_drain", "out of memory");
    }
    streams[num_streams] = (struct stream){.began = now()};
    uint32_t id = (uint32_t)(2 * num_streams++ + 1);
    hpack_write(&block, ":method", "POST");
    hpack_write(&block, ":scheme", "http");
    hpack_write(&block, ":path", "/inference.GRPCInferenceService/ModelStreamInfer");
    hpack_write(&block, ":authority", "127.0.0.1");
    hpack_write(&block, "te", "trailers");
    hpack_write(&block, "content-type", "application/grpc");
    add_frame(H2_HEADERS, END_HEADERS, id, &block);
    add_request(id);
    bytes_free(&block);
}

static void end_message(struct stream *stream)
{
    results.events++;
    if (!stream->messages++)
        samples_add(&results.first, (double)(arrival - stream->began) / MILLISECOND);
}

static void count_messages(struct stream *stream, const uint8_t *data, size_t size)
{
    while (size) {
        size_t used = stream->left < size ? stream->left : size;
        if (stream->left) {
            stream->is_refused |= stream->is_at_start && *data == ERROR_MESSAGE;
            stream->is_at_start = false;
            stream->left -= used;
        } else {
            used = 1;
            stream->prefix[stream->prefix_size++] = *data;
            if (stream->prefix_size < PREFIX) {
                data++;
                size--;
                continue;
            }
            stream->left = get_u32_be(stream->prefix + 1);
            stream->prefix_size = 0;
            stream->is_at_start = true;
        }
        if (!stream->left)
            end_message(stream);
        data += used;
        size -= used;
    }
}

static void read_header(void *receiver, const char *name, const char *value)
{
    struct stream *stream = receiver;
    stream->is_failed |= !strcmp(name, "grpc-status") && strcmp(value, "0");
}

static void end_stream(struct stream *stream, bool is_whole)
{
    if (is_whole && stream->messages && !stream->is_refused) {
        results.requests++;
        results.tokens += max_tokens;
        results.tokens_within += max_tokens;
        results.usage_events += stream->messages;
        samples_add(&results.latency, (double)(arrival - stream->began) / MILLISECOND);
    } else if (!results.errors++) {
        results.error_samples[results.num_error_samples++] = strdup(
            stream->is_refused ? "the model refused the request" : "the stream broke off");
    }
    stream->messages = 0;
    open_stream();
    if (results.requests + results.errors == plan.num_requests)
        loop_stop();
}

static void read_headers(struct stream *stream, uint8_t flags, const uint8_t *block, size_t size)
{
    if (!(flags & END_HEADERS) || !hpack_decode(&decoder, block, size, read_header, stream))
        fail("grpc_drain", "the server's headers cannot be read");
    if (flags & END_STREAM)
        end_stream(stream, !stream->is_failed && !stream->left && !stream->prefix_size);
}

static void read_frame(enum h2_type type, uint8_t flags, uint32_t id, const uint8_t *payload,
                       size_t size)
{
    struct bytes copy = {(uint8_t *)payload, 0, size, size};
    if (id / 2 >= num_streams)
        fail("grpc_drain", "the server speaks of a stream that was never opened");
    if (type == H2_DATA) {
        count_messages(&streams[id / 2], payload, size);
        results.bytes += size;
        ungranted += (uint32_t)size;
    } else if (type == H2_HEADERS) {
        read_headers(&streams[id / 2], flags, payload, size);
    } else if (type == H2_RST_STREAM) {
        end_stream(&streams[id / 2], false);
    } else if (type == H2_SETTINGS && !(flags & ACK)) {
        add_frame(H2_SETTINGS, ACK, 0, &(struct bytes){0});
    } else if (type == H2_PING && !(flags & ACK)) {
        add_frame(H2_PING, ACK, 0, &copy);
    } else if (type == H2_GOAWAY) {
        fail("grpc_drain", "the server ended the connection");
    }
}

static void read_frames(void)
{
    while (bytes_size(&in) >= FRAME_HEADER) {
        const uint8_t *header = bytes_front(&in);
        size_t size = get_u32_be(header) >> 8;
        if (bytes_size(&in) < FRAME_HEADER + size)
            break;
        read_frame(header[3], header[4], get_u32_be(header + 5) & WINDOW, header + FRAME_HEADER,
                   size);
        bytes_take(&in, FRAME_HEADER + size);
    }
    if (ungranted > WINDOW / 4) {
        grant(ungranted);
        ungranted = 0;
    }
}

static void write_out(void)
{
    while (bytes_size(&out)) {
        ssize_t size = send(watch.fd, bytes_front(&out), bytes_size(&out), MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN)
            fail("the server", strerror(errno));
        if (size < 0)
            break;
        bytes_take(&out, (size_t)size);
    }
    loop_watch(&watch, bytes_size(&out) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void on_ready(struct watch *ready, uint32_t events)
{
    if (events & ~(uint32_t)EPOLLOUT) {
        ssize_t size = recv(ready->fd, bytes_room(&in, READ_SIZE), READ_SIZE, 0);
        if (!size || (size < 0 && errno != EAGAIN))
            fail("the server", size ? strerror(errno) : "closed the connection");
        bytes_added(&in, size > 0 ? (size_t)size : 0);
        arrival = now();
        read_frames();
    }
    write_out();
}

static void on_end(struct timer *timer)
{
    (void)timer;
    loop_stop();
}

static void greet(void)
{
    struct bytes setting = {0};
    uint8_t *room = bytes_room(&setting, 6);
    bytes_text(&out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    room[0] = 0;
    room[1] = SETTING_INITIAL_WINDOW_SIZE;
    put_u32_be(room + 2, WINDOW);
    bytes_added(&setting, 6);
    add_frame(H2_SETTINGS, 0, 0, &setting);
    grant(WINDOW - DEFAULT_WINDOW);
    bytes_free(&setting);
}

static double number(const char *option, const char *text)
{
    char *rest;
    double value = strtod(text, &rest);
    if (*rest || rest == text || !(value > 0))
        fail(option, "must be a number above 0");
    return value;
}

static void read_target(const char *target)
{
    if (sscanf(target, "%63[^:]:%d", plan.address, &plan.port) != 2)
        fail("--target", "must be ADDRESS:PORT");
}

static void read_option(int option)
{
    switch (option) {
    case 'a': read_target(optarg); break;
    case 'm': model = optarg; break;
    case 'c': plan.num_connections = (size_t)number("--connections", optarg); break;
    case 'i': prompt_tokens = (uint32_t)number("--prompt-tokens", optarg); break;
    case 'o': max_tokens = (uint32_t)number("--max-tokens", optarg); break;
    case 'n': plan.num_requests = (uint64_t)number("--requests", optarg); break;
    case 's': plan.seconds = number("--seconds", optarg); break;
    default: fail("grpc_drain", "does not know that");
    }
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"target", required_argument, NULL, 'a'},
        {"connections", required_argument, NULL, 'c'},
        {"requests", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 's'},
        {"model", required_argument, NULL, 'm'},
        {"prompt-tokens", required_argument, NULL, 'i'},
        {"max-tokens", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        read_option(option);
    if (optind < argc || !plan.port || !plan.num_connections)
        fail("grpc_drain", "--target and --connections are needed");
    if ((plan.num_requests > 0) == (plan.seconds > 0))
        fail("grpc_drain", "give either --requests or --seconds");
}

static void open_connection(void)
{
    watch.fd = net_connect(plan.address, plan.port);
    watch.ready = on_ready;
    if (watch.fd < 0)
        fail("the server", strerror(errno));
    loop_watch(&watch, EPOLLIN | EPOLLOUT);
}

static void after_turn(void) {}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    make_request();
    hpack_open(&decoder);
    loop_open();
    greet();
    results.began = now();
    for (size_t i = 0; i < plan.num_connections; i++)
        open_stream();
    open_connection();
    end.fire = on_end;
    if (plan.seconds > 0)
        timer_set(&end, results.began + (uint64_t)(plan.seconds * (double)SECOND));
    loop_run(after_turn);
    results.ended = now();
    for (size_t i = 0; i < num_streams; i++)
        results.unfinished_events += streams[i].messages;
    load_report(&plan, &results);
    hpack_free(&decoder);
    bytes_free(&in);
    bytes_free(&out);
    bytes_free(&request);
    free(streams);
}
