/* A load generator for HTTP/1.1 APIs that stream server-sent events; prints one JSON object. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "load.h"
#include "loop.h"

#define USAGE                                                                                      \
    "usage: http_load --url http://127.0.0.1:PORT/PATH [--body FILE] --connections N\n"            \
    "                 (--requests M | --seconds S) [--stream] [--header 'Name: value']\n"          \
    "                 [--ramp SECONDS] [--timeout SECONDS]\n"

struct request_parts {
    struct bytes headers, body;
    const char *url;
    bool has_body, has_type;
};

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n" USAGE, what, text);
    exit(2);
}

static double number(const char *option, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || !(value >= 0))
        fail(option, "must be a number of 0 or more");
    return value;
}

static void read_body(struct request_parts *parts, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(path, "cannot be read");
    for (size_t size; (size = fread(bytes_room(&parts->body, 65536), 1, 65536, file));)
        bytes_added(&parts->body, size);
    fclose(file);
    parts->has_body = true;
}

/* The path, behind an address and a port, which go to the plan. */
static const char *read_url(struct load_plan *plan, const char *url)
{
    char host[64];
    int port = 80, taken = 0;
    if (!url || sscanf(url, "http://%63[^:/]%n", host, &taken) != 1)
        fail("--url", "must be http://ADDRESS[:PORT]/PATH");
    const char *rest = url + taken;
    if (*rest == ':') {
        char *end;
        port = (int)strtol(rest + 1, &end, 10);
        rest = end;
    }
    if ((*rest && *rest != '/') || port < 1 || port > 65535)
        fail("--url", "must be http://ADDRESS[:PORT]/PATH");
    strcpy(plan->address, strcmp(host, "localhost") ? host : "127.0.0.1");
    plan->port = port;
    return *rest ? rest : "/";
}

static void write_request(struct load_plan *plan, struct request_parts *parts)
{
    const char *path = read_url(plan, parts->url);
    struct bytes *request = &plan->request;
    bytes_format(request, "%s %s HTTP/1.1\r\nHost: %s:%d\r\n", parts->has_body ? "POST" : "GET",
                 path, plan->address, plan->port);
    if (parts->has_body)
        bytes_format(request, "Content-Length: %zu\r\n", bytes_size(&parts->body));
    if (parts->has_body && !parts->has_type)
        bytes_text(request, "Content-Type: application/json\r\n");
    bytes_add(request, bytes_front(&parts->headers), bytes_size(&parts->headers));
    bytes_text(request, "\r\n");
    bytes_add(request, bytes_front(&parts->body), bytes_size(&parts->body));
    bytes_free(&parts->headers);
    bytes_free(&parts->body);
}

static void add_header(struct request_parts *parts, const char *header)
{
    if (!strchr(header, ':'))
        fail("--header", "must be 'Name: value'");
    parts->has_type |= !strncasecmp(header, "content-type:", 13);
    bytes_format(&parts->headers, "%s\r\n", header);
}

static void read_option(int option, struct load_plan *plan, struct request_parts *parts)
{
    switch (option) {
    case 'u': parts->url = optarg; break;
    case 'b': read_body(parts, optarg); break;
    case 'h': add_header(parts, optarg); break;
    case 'c': plan->num_connections = (size_t)number("--connections", optarg); break;
    case 'n': plan->num_requests = (uint64_t)number("--requests", optarg); break;
    case 's': plan->seconds = number("--seconds", optarg); break;
    case 'r': plan->ramp = number("--ramp", optarg); break;
    case 't': plan->timeout = number("--timeout", optarg); break;
    case 'e': plan->is_stream = true; break;
    default: fail("http_load", "does not know that");
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"url", required_argument, NULL, 'u'},      {"body", required_argument, NULL, 'b'},
        {"header", required_argument, NULL, 'h'},   {"connections", required_argument, NULL, 'c'},
        {"requests", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 's'},
        {"ramp", required_argument, NULL, 'r'},     {"timeout", required_argument, NULL, 't'},
        {"stream", no_argument, NULL, 'e'},         {NULL, 0, NULL, 0},
    };
    static struct load_results results;
    struct load_plan plan = {.timeout = 60};
    struct request_parts parts = {0};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        read_option(option, &plan, &parts);
    if (optind < argc || !plan.num_connections)
        fail("http_load", "--connections must be 1 or more");
    if ((plan.num_requests > 0) == (plan.seconds > 0))
        fail("http_load", "give either --requests or --seconds");
    write_request(&plan, &parts);
    loop_open();
    load_run(&plan, &results);
    load_report(&plan, &results);
    bytes_free(&plan.request);
}
