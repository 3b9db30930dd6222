/* Decoding of HPACK's Huffman code (RFC 7541, section 5.2). */
#ifndef HUFFMAN_H
#define HUFFMAN_H

#include <stdbool.h>

#include "bytes.h"

/* Appends the text that `size` coded bytes stand for; false: they are not a code. */
bool huffman_decode(const uint8_t *coded, size_t size, struct bytes *text);

#endif
