/* Measured times, kept one by one; of more than some millions, a random choice. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
    float *values;
    size_t kept, capacity;
    uint64_t count;
    double sum, max;
};

void samples_add(struct samples *samples, double value);
/* Puts what is kept in order, which samples_percentile needs. */
void samples_sort(struct samples *samples);
/* The smallest value that at least `percent` of a hundred values do not exceed. */
double samples_percentile(const struct samples *samples, double percent);

#endif
