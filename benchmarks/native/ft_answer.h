/* One answer of a FasterTransformer model: its message, made once, changed for each token. */
#ifndef FT_ANSWER_H
#define FT_ANSWER_H

#include "ft_model.h"
#include "loop.h"

struct ft_answer {
    struct timer timer;
    struct ft_answer *next; /* in whatever line the answer waits */
    void *call;             /* to whom it goes */
    uint8_t *message;       /* with gRPC's five bytes in front */
    size_t size, sent;      /* in bytes */
    uint32_t *input_lengths, *output_lengths; /* of each row */
    uint32_t rows, prompt_length, width, num_tokens, longest;
    size_t ids_at, lengths_at, final_at;
    struct ft_model model;
    uint64_t began;
};

/* An answer whose first message is complete, and is due at `ft_due`. NULL: it would be too
   large. */
struct ft_answer *ft_open(const struct ft_request *request);
void ft_free(struct ft_answer *answer);
/* Makes the next message of the last one; false: that was the last. */
bool ft_advance(struct ft_answer *answer);
/* When the model has made the last token of the message. */
uint64_t ft_due(const struct ft_answer *answer);

#endif
