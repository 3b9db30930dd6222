#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "load.h"

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 32)
            printf("\\u%04x", byte);
        else
            putchar(byte < 127 ? byte : '?');
    }
    putchar('"');
}

static void print_samples(const char *name, struct samples *samples)
{
    static const double percents[] = {50, 95, 99};
    printf(", \"%s\": {", name);
    samples_sort(samples);
    for (size_t i = 0; samples->count && i < sizeof percents / sizeof *percents; i++)
        printf("\"p%.0f\": %.4f, ", percents[i], samples_percentile(samples, percents[i]));
    if (samples->count)
        printf("\"max\": %.4f, \"mean\": %.4f, ", samples->max,
               samples->sum / (double)samples->count);
    else
        printf("\"p50\": null, \"p95\": null, \"p99\": null, \"max\": null, \"mean\": null, ");
    printf("\"count\": %llu}", (unsigned long long)samples->count);
    free(samples->values);
}

/* Unfinished answers have not said their usage; their events count as those of whole ones did. */
static double tokens_seen(const struct load_results *results)
{
    double of_an_event = 1;
    if (results->usage_events)
        of_an_event = (double)results->tokens / (double)results->usage_events;
    return results->tokens_within + of_an_event * (double)results->unfinished_events;
}

void load_report(const struct load_plan *plan, struct load_results *results)
{
    printf("{\"requests\": %llu, \"errors\": %llu, \"error_samples\": [",
           (unsigned long long)results->requests, (unsigned long long)results->errors);
    for (size_t i = 0; i < results->num_error_samples; i++) {
        fputs(i ? ", " : "", stdout);
        print_text(results->error_samples[i]);
        free(results->error_samples[i]);
    }
    printf("], \"seconds\": %.6f", (double)(results->ended - results->began) / 1e9);
    printf(", \"connections\": %zu", plan->num_connections);
    printf(", \"tokens\": %llu, \"tokens_seen\": %.1f", (unsigned long long)results->tokens,
           tokens_seen(results));
    printf(", \"tokens_counted\": \"tokens: completion_tokens (output_tokens) in the usage of the"
           " whole answers that ended within the seconds; tokens_seen: of those answers the share"
           " whose events came within the seconds, and of unfinished answers their events, each"
           " as many tokens as an event of the whole answers\"");
    printf(", \"answers_without_usage\": %llu", (unsigned long long)results->without_usage);
    printf(", \"events\": %llu, \"bytes\": %llu", (unsigned long long)results->events,
           (unsigned long long)results->bytes);
    print_samples("ttft_ms", &results->first);
    print_samples("gap_ms", &results->gaps);
    print_samples("latency_ms", &results->latency);
    printf(", \"cpu_seconds\": %.3f}\n", cpu_seconds());
}
