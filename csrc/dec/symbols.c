/* SPDX-License-Identifier: Apache-2.0 */
#include "dec/symbols.h"

#include <string.h>

#include "common/tables.h"

enum { MAX_DC_SIZE = 11, MAX_AC_SIZE = 10, DC_MIN = -2048, DC_MAX = 2047, ZRL = 0xF0 };

/* Index of the symbol whose code starts the 16 bits, its length; -1 if there is none. */
static int slow_symbol(const RdctHuffmanDecoder *decoder, uint32_t bits, int *length) {
    for (int n = 1; n <= 16; n++)
        if (bits < decoder->limit[n]) {
            *length = n;
            return decoder->symbols[(int32_t)(bits >> (16 - n)) + decoder->offset[n]];
        }
    return -1;
}

static inline int take_symbol(RdctBitReader *reader, const RdctHuffmanDecoder *decoder) {
    const int entry = decoder->fast[rdct_peek_bits(reader, RDCT_HUFFMAN_FAST)];
    int length = entry >> 8, symbol = entry & 255;
    if (entry == 0) {
        symbol = slow_symbol(decoder, rdct_peek_bits(reader, 16), &length);
        if (symbol < 0)
            return -1;
    }
    rdct_skip_bits(reader, length);
    return symbol;
}

/* T.81 F.2.2.1, EXTEND. */
static inline int extend(int bits, int size) {
    return bits < 1 << (size - 1) ? bits + 1 - (1 << size) : bits;
}

static inline int take_value(RdctBitReader *reader, int size) { /* size 1..11 */
    const int bits = (int)rdct_peek_bits(reader, size);
    rdct_skip_bits(reader, size);
    return extend(bits, size);
}

static int32_t look_ahead(const RdctHuffmanDecoder *ac, uint32_t bits) {
    int length = 0;
    const int symbol = slow_symbol(ac, bits << (16 - RDCT_AC_AHEAD), &length);
    if (symbol < 0 || length > RDCT_AC_AHEAD)
        return 0;
    const int size = symbol & 15, total = length + size;
    if (size == 0 || size > MAX_AC_SIZE || total > RDCT_AC_AHEAD)
        return 0;
    const int value = extend((int)(bits >> (RDCT_AC_AHEAD - total) & ((1U << size) - 1)), size);
    return value * 65536 + (total << 8) + (symbol >> 4);
}

void rdct_block_tables_finish(RdctBlockTables *tables) {
    for (uint32_t bits = 0; bits < 1U << RDCT_AC_AHEAD; bits++)
        tables->ahead[bits] = look_ahead(&tables->ac, bits);
}

RdctBlockFault rdct_decode_block(RdctBitReader *reader, const RdctBlockTables *tables, int prediction, int16_t *qcoef, uint64_t *nonzero) {
    uint64_t mask = 0;
    rdct_bitreader_refill(reader);
    const int category = take_symbol(reader, &tables->dc);
    if (category < 0)
        return RDCT_BLOCK_MISSING_CODE;
    if (category > MAX_DC_SIZE)
        return RDCT_BLOCK_SIZE;
    const int dc = prediction + (category ? take_value(reader, category) : 0);
    if (dc < DC_MIN || dc > DC_MAX)
        return RDCT_BLOCK_DC_RANGE;
    qcoef[0] = (int16_t)dc;
    mask = dc != 0;

    for (int k = 0; k < 63;) { /* k: the last index that is known */
        if (reader->count < 32)
            rdct_bitreader_refill(reader);
        const int32_t entry = tables->ahead[rdct_peek_bits(reader, RDCT_AC_AHEAD)];
        int run, value;
        if (entry != 0) {
            rdct_skip_bits(reader, entry >> 8 & 255);
            run = entry & 255;
            value = entry >> 16;
        } else {
            const int symbol = take_symbol(reader, &tables->ac), size = symbol & 15;
            if (symbol == 0)
                break;
            if (symbol < 0)
                return RDCT_BLOCK_MISSING_CODE;
            if (symbol == ZRL) {
                k += 16;
                if (k > 63)
                    return RDCT_BLOCK_RUN;
                continue;
            }
            if (size == 0 || size > MAX_AC_SIZE)
                return RDCT_BLOCK_SIZE;
            run = symbol >> 4;
            value = take_value(reader, size);
        }
        k += run + 1;
        if (k > 63)
            return RDCT_BLOCK_RUN;
        qcoef[rdct_zigzag[k]] = (int16_t)value;
        mask |= UINT64_C(1) << k;
    }
    *nonzero = mask;
    return RDCT_BLOCK_OK;
}
