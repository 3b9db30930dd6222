#include "huffman.h"

#define NUM_SYMBOLS 257
#define LONGEST 30
#define END 256

/* How many bits each symbol's code has: RFC 7541, appendix B. The code is canonical, so that
   codes of one length count up in the order of the symbols, and the lengths say everything. */
static const uint8_t lengths[NUM_SYMBOLS] = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,
    5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,
    7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,
    7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
};

/* For each length: its first code, how many there are, and where their symbols begin. */
static struct {
    uint32_t first, count;
    size_t begin;
} codes[LONGEST + 1];
static uint16_t symbols[NUM_SYMBOLS];

static void build(void)
{
    uint32_t code = 0;
    size_t place = 0;
    for (int length = 1; length <= LONGEST; length++) {
        code <<= 1;
        codes[length].first = code;
        codes[length].begin = place;
        for (int symbol = 0; symbol < NUM_SYMBOLS; symbol++)
            if (lengths[symbol] == length)
                symbols[place++] = (uint16_t)symbol;
        codes[length].count = (uint32_t)(place - codes[length].begin);
        code += codes[length].count;
    }
}

/* What is left after the last symbol must be the beginning of END: fewer than 8 ones. */
static bool is_padding(uint32_t code, int length)
{
    return length < 8 && code == (1u << length) - 1;
}

bool huffman_decode(const uint8_t *coded, size_t size, struct bytes *text)
{
    if (!codes[LONGEST].count)
        build();
    uint32_t code = 0;
    int length = 0;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        code = code << 1 | (coded[bit / 8] >> (7 - bit % 8) & 1);
        if (++length > LONGEST)
            return false;
        uint32_t offset = code - codes[length].first;
        if (code < codes[length].first || offset >= codes[length].count)
            continue;
        uint16_t symbol = symbols[codes[length].begin + offset];
        if (symbol == END)
            return false;
        uint8_t byte = (uint8_t)symbol;
        bytes_add(text, &byte, 1);
        code = 0;
        length = 0;
    }
    return is_padding(code, length);
}
