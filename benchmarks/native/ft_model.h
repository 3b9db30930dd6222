/* FasterTransformer's contract, and models of it that are named `ft[-pace<N>][-step<K>]`.
   https://github.com/triton-inference-server/fastertransformer_backend */
#ifndef FT_MODEL_H
#define FT_MODEL_H

#include "protobuf.h"

enum { FT_MAX_BATCH = 1024 };

struct ft_model {
    uint32_t pace; /* tokens a second for each answer; 0: as fast as they are taken */
    uint32_t step; /* tokens from one message to the next */
};

/* Inputs of a request as they came: [rows, length] and [rows, 1], all UINT32. */
struct ft_request {
    struct pb_slice name, version, id;
    struct ft_model model;
    uint32_t rows, prompt_length;
    const uint8_t *input_ids, *input_lengths, *output_lengths;
    const uint8_t *end_ids; /* NULL: not given */
};

/* The ids that every answer consists of, over and over. */
void ft_set_tokens(uint32_t *tokens, size_t count);
uint32_t ft_token(size_t index);

bool ft_parse_name(const struct pb_slice *name, struct ft_model *model);

/* Adds a ModelConfig, and a ModelMetadataResponse. */
void ft_add_config(struct bytes *to, const struct pb_slice *name);
void ft_add_metadata(struct bytes *to, const struct pb_slice *name);

/* Reads a ModelInferRequest. Returns NULL, or what Triton would say of it. The text is valid until
   the next call. */
const char *ft_read_request(struct pb_slice message, struct ft_request *request);

#endif
