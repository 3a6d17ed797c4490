/* SPDX-License-Identifier: Apache-2.0
 * One block: bits into quantised coefficients. Inline, so that a reader can stay in registers over many blocks. */
#ifndef RDCT_DEC_SYMBOLS_H
#define RDCT_DEC_SYMBOLS_H

#include "stream/bitreader.h"
#include "stream/huffman.h"

typedef enum RdctBlockFault {
    RDCT_BLOCK_OK = 0,
    RDCT_BLOCK_MISSING_CODE, /* bits that no code begins with */
    RDCT_BLOCK_SIZE,         /* a category above 11 or a size above 10: JPEG tables may name them */
    RDCT_BLOCK_RUN,          /* a run past index 63 */
    RDCT_BLOCK_DC_RANGE,     /* DC outside -2048..2047 */
    RDCT_BLOCK_AC_RANGE      /* a refined AC outside -1023..1023 */
} RdctBlockFault;

/* One AC symbol with its extra bits: value << 16 | advance << 8 | bits in all. `advance` is how far the index moves: run + 1, 16 for
 * ZRL (with value 0), and RDCT_AC_END for the end of the block, which lands beyond any run. 0 = none of these. */
typedef int32_t RdctAcEntry;
#define RDCT_AC_END 128

/* Two AC symbols at once. If the second does not fit into the bits looked at, it repeats the first without moving: the same value goes
 * to the same place again. */
typedef struct RdctAcPair {
    uint8_t bits, first_bits; /* of both; of the first */
    uint8_t first_advance, second_advance;
    int16_t first, second;
} RdctAcPair;

/* The four tables of a picture, or the six of a JPEG file, with the short AC codes decoded ahead. */
#define RDCT_AC_AHEAD 11
typedef struct RdctBlockTables {
    RdctHuffmanDecoder dc, ac;
    RdctAcPair ahead[1 << RDCT_AC_AHEAD]; /* by the next bits; bits = 0: the first is longer, or there is no such code */
} RdctBlockTables;

void rdct_block_tables_finish(RdctBlockTables *tables); /* after dc and ac are set */

/* The symbol at the start of these 64 bits, whatever its length; 0 and *fault set if there is none. */
RdctAcEntry rdct_ac_entry(const RdctHuffmanDecoder *ac, uint64_t bits, RdctBlockFault *fault);
/* Category at the start of these 64 bits and the length of its code; -1 and *fault set if there is none. */
int rdct_dc_category(const RdctHuffmanDecoder *dc, uint64_t bits, int *length, RdctBlockFault *fault);

/* Natural index of each zigzag position; beyond the block that of DC, which is stored last. */
extern const uint8_t rdct_natural_or_dc[64 + 16 + RDCT_AC_END];

/* T.81 F.2.2.1, RECEIVE and EXTEND: the first `size` bits (0..11) as a value. */
static inline int rdct_extend_bits(uint64_t bits, int size) {
    const int value = (int)(bits >> 1 >> (63 - size)), positive = (int)((int64_t)bits >> 63);
    return value - (((1 << size) - 1) & ~positive);
}

/* qcoef: 64 zeros, natural order. prediction: of the quantised DC. *nonzero: bit k for zigzag position k; bits may be set without need. Bits past the end read as zeros; the caller looks
 * at the reader's overrun. */
static inline __attribute__((always_inline)) RdctBlockFault rdct_decode_block(RdctBitReader *reader, const RdctBlockTables *tables,
                                                                              int prediction, int16_t *qcoef, uint64_t *nonzero) {
    RdctBlockFault fault = RDCT_BLOCK_OK;
    rdct_bitreader_need32(reader);
    const int entry = tables->dc.fast[rdct_peek_bits(reader, RDCT_HUFFMAN_FAST)];
    int category = entry & 255, length = entry >> 8;
    if (entry == 0 || category > 11) {
        category = rdct_dc_category(&tables->dc, reader->buffer, &length, &fault);
        if (category < 0)
            return fault;
    }
    rdct_skip_bits(reader, length);
    const int dc = prediction + rdct_extend_bits(reader->buffer, category);
    rdct_skip_bits(reader, category);
    if (dc < -2048 || dc > 2047)
        return RDCT_BLOCK_DC_RANGE;

    uint64_t mask = dc != 0;
    int k = 0; /* the last index that is known */
    while (k < 63) {
        rdct_bitreader_need32(reader);
        const RdctAcPair *pair = &tables->ahead[rdct_peek_bits(reader, RDCT_AC_AHEAD)];
        int first_bits = pair->first_bits, at = k + pair->first_advance;
        if (pair->bits != 0 && at != 63) {
            rdct_skip_bits(reader, pair->bits);
            k = at + pair->second_advance;
            qcoef[rdct_natural_or_dc[at]] = pair->first;
            qcoef[rdct_natural_or_dc[k]] = pair->second;
            mask |= UINT64_C(1) << (at & 63) | UINT64_C(1) << (k & 63); /* the end of the block repeats the last bit */
            continue;
        }
        int value = pair->first;
        if (pair->bits == 0) { /* a long code; else the block is full, and a second symbol would not be its own */
            const RdctAcEntry ac = rdct_ac_entry(&tables->ac, reader->buffer, &fault);
            if (ac == 0)
                return fault;
            first_bits = ac & 255;
            at = k + (ac >> 8 & 255);
            value = ac >> 16;
        }
        rdct_skip_bits(reader, first_bits);
        k = at;
        qcoef[rdct_natural_or_dc[k]] = (int16_t)value;
        mask |= UINT64_C(1) << (k & 63);
    }
    qcoef[0] = (int16_t)dc;
    *nonzero = mask;
    /* An end of block moves k by RDCT_AC_END from at most 62; a run that ends beyond the block leaves it in between, or above. */
    return (k > 63 && k < RDCT_AC_END) || k > RDCT_AC_END + 62 ? RDCT_BLOCK_RUN : RDCT_BLOCK_OK;
}

#endif
