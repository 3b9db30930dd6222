#define _GNU_SOURCE
#include "http1_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "loop.h"
#include "net.h"

#define READ_SIZE (256 * 1024)
#define LONGEST_HEAD (64 * 1024)
#define LONGEST_BODY (256u << 20)

struct connection {
    struct watch watch;
    http_handler *handler;
    struct bytes in, out;
    size_t head_size; /* 0: the head has not come whole */
    size_t body_size, json_size;
    bool is_last;  /* the client wants the connection closed behind this request */
    bool has_ended; /* to be closed when everything is written */
    bool is_broken;
    char method[8], path[256];
};

static void close_connection(struct connection *connection)
{
    loop_close(&connection->watch);
    bytes_free(&connection->in);
    bytes_free(&connection->out);
    free(connection);
}

void http1_json(struct bytes *answer, int status, const char *json, size_t size)
{
    bytes_format(answer,
                 "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 status, status == 200 ? "OK" : "Refused", size);
    bytes_add(answer, json, size);
}

static void refuse(struct connection *connection, const char *json)
{
    http1_json(&connection->out, 400, json, strlen(json));
    connection->has_ended = true;
    bytes_take(&connection->in, bytes_size(&connection->in));
}

/* The number in a header of that name, whose colon is part of the name; else what it was. */
static size_t number_of(const char *line, const char *name, size_t value)
{
    size_t size = strlen(name);
    return strncasecmp(line, name, size) ? value : strtoull(line + size, NULL, 10);
}

static bool read_request_line(struct connection *connection, const char *line)
{
    const char *path = strchr(line, ' ');
    const char *end = path ? strpbrk(path + 1, " \r\n") : NULL;
    if (!path || !end || *end != ' ' || (size_t)(path - line) >= sizeof connection->method ||
        (size_t)(end - path) > sizeof connection->path)
        return false;
    memset(connection->method, 0, sizeof connection->method);
    memset(connection->path, 0, sizeof connection->path);
    memcpy(connection->method, line, (size_t)(path - line));
    memcpy(connection->path, path + 1, (size_t)(end - path) - 1);
    return true;
}

/* Lines that each end with a line feed. */
static void read_head(struct connection *connection, const char *line)
{
    bool is_good = read_request_line(connection, line);
    connection->body_size = 0;
    connection->json_size = SIZE_MAX;
    while ((line = strchr(line, '\n')) && *++line) {
        connection->body_size = number_of(line, "content-length:", connection->body_size);
        connection->json_size =
            number_of(line, "inference-header-content-length:", connection->json_size);
        connection->is_last |= !strncasecmp(line, "connection: close", 17);
        is_good &= strncasecmp(line, "transfer-encoding:", 18) != 0;
    }
    if (connection->json_size > connection->body_size)
        connection->json_size = connection->body_size;
    if (!is_good || connection->body_size > LONGEST_BODY)
        refuse(connection, "{\"error\":\"a request needs a path and Content-Length\"}");
}

static void find_head(struct connection *connection)
{
    struct bytes *in = &connection->in;
    if (!bytes_size(in))
        return;
    const uint8_t *end = memmem(bytes_front(in), bytes_size(in), "\r\n\r\n", 4);
    if (!end) {
        connection->is_broken |= bytes_size(in) > LONGEST_HEAD;
        return;
    }
    connection->head_size = (size_t)(end - bytes_front(in)) + 4;
    char *head = allocate(connection->head_size - 1);
    memcpy(head, bytes_front(in), connection->head_size - 2);
    read_head(connection, head);
    free(head);
}

/* Answers the first request, if it has come whole. */
static bool answer_one(struct connection *connection)
{
    struct bytes *in = &connection->in;
    if (!connection->head_size)
        find_head(connection);
    size_t size = connection->head_size + connection->body_size;
    if (connection->has_ended || !connection->head_size || bytes_size(in) < size)
        return false;
    struct http_request request = {connection->method, connection->path,
                                   bytes_front(in) + connection->head_size, connection->body_size,
                                   connection->json_size};
    connection->handler(&request, &connection->out);
    connection->head_size = 0;
    connection->has_ended = connection->is_last;
    bytes_take(in, size);
    return true;
}

static void write_out(struct connection *connection)
{
    while (bytes_size(&connection->out)) {
        ssize_t size = send(connection->watch.fd, bytes_front(&connection->out),
                            bytes_size(&connection->out), MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN)
            break;
        if (size < 0 && errno != EINTR) {
            connection->is_broken = true;
            return;
        }
        bytes_take(&connection->out, size > 0 ? (size_t)size : 0);
    }
    bool has_written = !bytes_size(&connection->out);
    connection->is_broken |= has_written && connection->has_ended;
    loop_watch(&connection->watch, has_written ? EPOLLIN : EPOLLOUT);
}

static void receive(struct connection *connection)
{
    uint8_t *room = bytes_room(&connection->in, READ_SIZE);
    ssize_t size = recv(connection->watch.fd, room, READ_SIZE, 0);
    if (size <= 0) {
        connection->is_broken |= !size || (errno != EAGAIN && errno != EINTR);
        return;
    }
    bytes_added(&connection->in, (size_t)size);
    while (answer_one(connection))
        ;
}

static void connection_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = CONTAINER(watch, struct connection, watch);
    if (events & ~(uint32_t)EPOLLOUT)
        receive(connection);
    if (!connection->is_broken)
        write_out(connection);
    if (connection->is_broken)
        close_connection(connection);
}

struct listener {
    struct watch watch;
    http_handler *handler;
};

static void accept_all(struct watch *watch, uint32_t events)
{
    (void)events;
    for (int fd; (fd = net_accept(watch->fd)) >= 0;) {
        struct connection *connection = allocate(sizeof *connection);
        connection->watch = (struct watch){.fd = fd, .ready = connection_ready};
        connection->handler = CONTAINER(watch, struct listener, watch)->handler;
        loop_watch(&connection->watch, EPOLLIN);
    }
}

void http1_serve(int port, http_handler *handler)
{
    struct listener *listener = allocate(sizeof *listener);
    listener->watch = (struct watch){.fd = net_listen(port), .ready = accept_all};
    listener->handler = handler;
    loop_watch(&listener->watch, EPOLLIN);
}
