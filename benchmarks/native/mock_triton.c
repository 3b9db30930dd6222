/* A Triton without models: it answers as fast as a client can read, or at a model's pace.
   Usage: mock_triton --grpc-port P --http-port Q [--tokens FILE] */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "encoder_http.h"
#include "ft_model.h"
#include "grpc_call.h"
#include "loop.h"

#define USAGE "usage: mock_triton --grpc-port P --http-port Q [--tokens FILE]\n"
/* Without a file: ids that every vocabulary has and that are no special tokens. */
#define FIRST_TOKEN 1000
#define NUM_TOKENS 512

static void fail(const char *text, const char *what)
{
    fprintf(stderr, text, what);
    exit(2);
}

static void use_default_tokens(void)
{
    uint32_t *tokens = allocate(NUM_TOKENS * sizeof *tokens);
    for (uint32_t i = 0; i < NUM_TOKENS; i++)
        tokens[i] = FIRST_TOKEN + i;
    ft_set_tokens(tokens, NUM_TOKENS);
}

static void read_tokens(const char *path)
{
    struct bytes ids = {0};
    unsigned long id;
    FILE *file = fopen(path, "r");
    if (!file)
        fail("cannot read the tokens in %s\n", path);
    while (fscanf(file, "%lu", &id) == 1)
        bytes_add(&ids, &(uint32_t){(uint32_t)id}, sizeof(uint32_t));
    if (!feof(file) || !bytes_size(&ids))
        fail("%s must hold token ids with white space between them\n", path);
    fclose(file);
    ft_set_tokens((uint32_t *)ids.data, bytes_size(&ids) / sizeof(uint32_t));
}

static int port_of(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    if (*end || port < 1 || port > 65535)
        fail("%s is not a port\n" USAGE, text);
    return (int)port;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"grpc-port", required_argument, NULL, 'g'},
        {"http-port", required_argument, NULL, 'h'},
        {"tokens", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    int grpc_port = 0, http_port = 0;
    use_default_tokens();
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'g')
            grpc_port = port_of(optarg);
        else if (option == 'h')
            http_port = port_of(optarg);
        else if (option == 't')
            read_tokens(optarg);
        else
            fail("%s", USAGE);
    }
    if (!grpc_port || !http_port || optind < argc)
        fail("%s", USAGE);
    signal(SIGPIPE, SIG_IGN);
    loop_open();
    h2_serve(grpc_port, &triton_grpc);
    encoder_serve(http_port);
    puts("ready");
    fflush(stdout);
    loop_run(h2_flush);
}
