/* SPDX-License-Identifier: Apache-2.0 */
#include "dec/symbols.h"

#include <string.h>

enum { MAX_DC_SIZE = 11, MAX_AC_SIZE = 10, END_OF_BLOCK = 0x00, SIXTEEN_ZEROS = 0xF0 };

#define DC_16 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

const uint8_t rdct_natural_or_dc[64 + 16 + RDCT_AC_END] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12,    19,    26,    33,    40,    48,    41,    34,
    27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29,    22,    15,    23,    30,    37,    44,    51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63, DC_16, DC_16, DC_16, DC_16, DC_16, DC_16, DC_16, DC_16,
};

/* The symbol whose code starts the 16 bits, and its length; -1 if there is none. */
static int find_symbol(const RdctHuffmanDecoder *decoder, uint32_t bits, int *length) {
    for (int n = 1; n <= 16; n++)
        if (bits < decoder->limit[n]) {
            *length = n;
            return decoder->symbols[(int32_t)(bits >> (16 - n)) + decoder->offset[n]];
        }
    return -1;
}

/* Code and extra bits in all, and how far the index moves; 0 if a symbol has no meaning. */
static RdctAcEntry valueless_entry(int symbol, int length) {
    const int size = symbol & 15, run = symbol >> 4;
    if (size > MAX_AC_SIZE || (size == 0 && symbol != END_OF_BLOCK && symbol != SIXTEEN_ZEROS))
        return 0;
    const int advance = symbol == END_OF_BLOCK ? RDCT_AC_END : size == 0 ? 16 : run + 1;
    return advance << 8 | (length + size);
}

RdctAcEntry rdct_ac_entry(const RdctHuffmanDecoder *ac, uint64_t bits, RdctBlockFault *fault) {
    int length = 0;
    const int symbol = find_symbol(ac, (uint32_t)(bits >> 48), &length);
    if (symbol < 0) {
        *fault = RDCT_BLOCK_MISSING_CODE;
        return 0;
    }
    const RdctAcEntry entry = valueless_entry(symbol, length);
    *fault = entry == 0 ? RDCT_BLOCK_SIZE : RDCT_BLOCK_OK;
    return entry == 0 ? 0 : entry + rdct_extend_bits(bits << length, symbol & 15) * 65536;
}

int rdct_dc_category(const RdctHuffmanDecoder *dc, uint64_t bits, int *length, RdctBlockFault *fault) {
    const int category = find_symbol(dc, (uint32_t)(bits >> 48), length);
    *fault = category < 0 ? RDCT_BLOCK_MISSING_CODE : category > MAX_DC_SIZE ? RDCT_BLOCK_SIZE : RDCT_BLOCK_OK;
    return *fault == RDCT_BLOCK_OK ? category : -1;
}

/* All continuations of a code of `length` bits: one entry for each value of its extra bits, repeated for what follows. */
static void fill_code(RdctAcPair *ahead, uint32_t code, int length, int symbol) {
    const RdctAcEntry entry = valueless_entry(symbol, length);
    const int size = symbol & 15, total = entry & 255;
    if (entry == 0 || total > RDCT_AC_AHEAD)
        return;
    const uint32_t repeats = 1u << (RDCT_AC_AHEAD - total);
    RdctAcPair *next = ahead + ((size_t)code << (RDCT_AC_AHEAD - length));
    for (uint32_t extra = 0; extra < 1u << size; extra++) {
        const int16_t value = (int16_t)rdct_extend_bits((uint64_t)extra << 1 << (63 - size), size);
        const RdctAcPair one = {(uint8_t)total, (uint8_t)total, (uint8_t)(entry >> 8), 0, value, value};
        for (uint32_t i = 0; i < repeats; i++)
            *next++ = one;
    }
}

/* Where the bits left over hold another symbol. Only what describes the first symbol of an entry is read, so the order does not matter. */
static void add_second(RdctAcPair *ahead, uint32_t bits) {
    RdctAcPair *pair = &ahead[bits];
    if (pair->first_bits == 0 || pair->first_advance == RDCT_AC_END)
        return;
    const RdctAcPair *second = &ahead[bits << pair->first_bits & ((1u << RDCT_AC_AHEAD) - 1)];
    if (second->first_bits == 0 || second->first_bits + pair->first_bits > RDCT_AC_AHEAD)
        return;
    pair->bits = (uint8_t)(pair->first_bits + second->first_bits);
    pair->second_advance = second->first_advance;
    pair->second = second->first;
}

void rdct_block_tables_finish(RdctBlockTables *tables) {
    const RdctHuffmanDecoder *ac = &tables->ac;
    memset(tables->ahead, 0, sizeof tables->ahead);
    for (int length = 1; length <= RDCT_AC_AHEAD; length++)
        for (uint32_t code = ac->limit[length - 1] >> (16 - length); code < ac->limit[length] >> (16 - length); code++)
            fill_code(tables->ahead, code, length, ac->symbols[(int32_t)code + ac->offset[length]]);
    for (uint32_t bits = 0; bits < 1u << RDCT_AC_AHEAD; bits++)
        add_second(tables->ahead, bits);
}
