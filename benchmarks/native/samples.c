#include "samples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_KEPT (1 << 22)

/* xorshift64: https://www.jstatsoft.org/article/view/v008i14 */
static uint64_t random_number(void)
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void grow(struct samples *samples)
{
    samples->capacity = samples->capacity ? 2 * samples->capacity : 1024;
    samples->values = realloc(samples->values, samples->capacity * sizeof *samples->values);
    if (!samples->values) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
}

void samples_add(struct samples *samples, double value)
{
    samples->count++;
    samples->sum += value;
    if (samples->count == 1 || value > samples->max)
        samples->max = value;
    size_t place = samples->kept;
    if (samples->kept == MOST_KEPT) {
        /* Algorithm R: every value has the same chance of being kept. */
        place = random_number() % samples->count;
        if (place < MOST_KEPT)
            samples->values[place] = (float)value;
        return;
    }
    if (samples->kept == samples->capacity)
        grow(samples);
    samples->values[samples->kept++] = (float)value;
}

static int compare(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

void samples_sort(struct samples *samples)
{
    if (samples->kept)
        qsort(samples->values, samples->kept, sizeof *samples->values, compare);
}

double samples_percentile(const struct samples *samples, double percent)
{
    size_t rank = (size_t)ceil(percent / 100 * (double)samples->kept);
    return samples->values[rank ? rank - 1 : 0];
}
