/* What http_load does, and what it has measured. */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>

#include "bytes.h"
#include "samples.h"

struct load_plan {
    char address[64];
    int port;
    struct bytes request; /* head and body, the same each time */
    size_t num_connections;
    uint64_t num_requests; /* 0: until `seconds` are over */
    double seconds, ramp, timeout;
    bool is_stream;
};

enum { MAX_ERROR_SAMPLES = 5 };

/* Times in nanoseconds of the monotonic clock, samples in milliseconds. */
struct load_results {
    uint64_t began, ended; /* of what is counted */
    uint64_t requests, errors, events, bytes, without_usage;
    char *error_samples[MAX_ERROR_SAMPLES];
    size_t num_error_samples;
    uint64_t tokens;                      /* by the usage of whole answers */
    uint64_t usage_events;                /* token events of the answers that said their usage */
    double tokens_within;                 /* of whole answers, those that came while counting */
    uint64_t unfinished_events;           /* of answers that had not ended */
    struct samples first, gaps, latency;
};

/* Runs the plan to its end. */
void load_run(const struct load_plan *plan, struct load_results *results);
/* Prints the JSON object, and frees what the results hold. */
void load_report(const struct load_plan *plan, struct load_results *results);

#endif
