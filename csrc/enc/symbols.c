/* SPDX-License-Identifier: Apache-2.0 */
#include "enc/symbols.h"

#include "common/intops.h"

#include <string.h>

enum { SIZE_BITS = 4, TABLE_SHIFT = 8, EXTRA_SHIFT = 16, SIXTEEN_ZEROS = 0xF0, TABLES = 4 };

/* Code and extra bits of a token: 16 + 11 at most. */
enum { TOKEN_BITS = 27, LENGTH_BITS = 5 };

/* What may be written, and overwritten, behind the last token. */
enum { TOKEN_SLACK = 16 };

static RdctToken size_and_extra(int value) {
    if (value == 0)
        return 0;
    const int size = rdct_bit_width((uint32_t)(value < 0 ? -value : value));
    /* T.81 F.1.2.1: the low bits of value, or of value - 1 if it is negative. */
    const uint32_t extra = (uint32_t)(value + (value >> 31)) & ((1u << size) - 1);
    return extra << EXTRA_SHIFT | (uint32_t)size;
}

void rdct_walk_init(RdctWalk *walk, const RdctLayout *layout, const uint16_t *steps, int levels) {
    memset(walk, 0, sizeof *walk);
    walk->layout = layout;
    for (int t = 0; t < 3 * levels; t++)
        walk->dc_steps[t] = rdct_dc_step(steps[64 * t]);
    for (int c = 0; c < layout->components; c++) {
        for (int y = 0; y < (c == 0 ? layout->v_samp : 1); y++) {
            for (int x = 0; x < (c == 0 ? layout->h_samp : 1); x++) {
                walk->block[walk->blocks].component = c;
                walk->block[walk->blocks].x = x;
                walk->block[walk->blocks].y = y;
                walk->blocks++;
            }
        }
    }
    for (int value = -128; value < 128; value++)
        walk->small[value + 128] = size_and_extra(value);
}

size_t rdct_row_tokens_bound(const RdctLayout *layout) {
    size_t blocks = 0;
    for (int c = 0; c < layout->components; c++)
        blocks += (size_t)layout->blocks_wide[c] * (size_t)(c == 0 ? layout->v_samp : 1);
    return 64 * blocks + TOKEN_SLACK; /* an end of block and 63 AC never occur together */
}

static inline RdctToken make_token(const RdctWalk *walk, int value) {
    return (unsigned)(value + 128) < 256 ? walk->small[value + 128] : size_and_extra(value);
}

/* *nonzero_tokens counts down by the tokens that stand for no coefficient. */
static inline RdctToken *make_ac(const RdctWalk *walk, const int16_t *qcoef, uint64_t nonzero, RdctToken table, RdctToken *next,
                                 int64_t *nonzero_tokens) {
    int before = 0;
    for (uint64_t left = nonzero & ~UINT64_C(1); left != 0; left &= left - 1) {
        const int k = rdct_lowest_bit(left);
        int run = k - before - 1;
        for (; run > 15; run -= 16) {
            *next++ = table | SIXTEEN_ZEROS;
            --*nonzero_tokens;
        }
        *next++ = make_token(walk, qcoef[k]) | (RdctToken)run << SIZE_BITS | table;
        before = k;
    }
    *next = table; /* end of block */
    *nonzero_tokens -= before != 63;
    return next + (before != 63);
}

static inline int bad_difference(int difference) {
    return difference < -RDCT_MAX_DC_DIFFERENCE || difference > RDCT_MAX_DC_DIFFERENCE;
}

static inline void make_tokens(const RdctWalk *walk, const RdctBlockRow *blocks, int refine, RdctToken *tokens, RdctTokenRow *row) {
    RdctToken *next = tokens;
    RdctPredictor predictor = {{0}, {{0, 0}}};
    int64_t nonzero_tokens = 0;
    memset(row, 0, sizeof *row);
    row->tokens = tokens;
    row->bad.token = SIZE_MAX;
    for (int mcu_x = 0; mcu_x < walk->layout->mcu_wide; mcu_x++) {
        for (int i = 0; i < walk->blocks; i++) {
            const int c = walk->block[i].component, block = rdct_walk_block(walk, i, mcu_x), level = blocks->level[c][block];
            if (level == RDCT_SKIP) {
                row->skipped++;
                continue;
            }
            const int16_t *qcoef = blocks->qcoef[c] + 64 * block;
            const uint64_t nonzero = blocks->nonzero[c][block];
            const RdctDcStep step = walk->dc_steps[3 * level + c];
            const int refined = refine && blocks->refined_dc[c][block] != RDCT_FRESH, dc = qcoef[0];
            const int predicted = refined ? blocks->refined_dc[c][block] : rdct_predict_dc(predictor.value[c], predictor.step[c], step);
            const int difference = dc - predicted;
            const RdctToken table = c == 0 ? 0 : 2u << TABLE_SHIFT;
            if (predictor.step[c].step == 0 && !refined) {
                row->first[c].token = (size_t)(next - tokens);
                row->first[c].block = block;
                row->first[c].value = dc;
                row->first[c].step = step;
            } else if (bad_difference(difference) && row->bad.token == SIZE_MAX) {
                row->bad = (RdctBadBlock){(size_t)(next - tokens), c, block, difference};
            }
            predictor.value[c] = dc;
            predictor.step[c] = step;
            row->blocks++;
            *next++ = make_token(walk, difference) | table;
            next = make_ac(walk, qcoef, nonzero, table | 1u << TABLE_SHIFT, next, &nonzero_tokens);
            nonzero_tokens -= (refined ? difference : dc) == 0;
        }
    }
    row->size = (size_t)(next - tokens);
    row->nonzero = (int64_t)row->size + nonzero_tokens;
    row->last = predictor;
}

void rdct_tokens_make(const RdctWalk *walk, const RdctBlockRow *blocks, RdctToken *tokens, RdctTokenRow *row) {
    if (blocks->refined_dc[0] != NULL)
        make_tokens(walk, blocks, 1, tokens, row);
    else
        make_tokens(walk, blocks, 0, tokens, row);
}

int rdct_tokens_join(const RdctWalk *walk, RdctTokenRow *row, RdctPredictor *predictor, RdctBadBlock *bad) {
    *bad = row->bad;
    for (int c = 0; c < walk->layout->components; c++) {
        if (row->first[c].step.step != 0) {
            const int difference = row->first[c].value - rdct_predict_dc(predictor->value[c], predictor->step[c], row->first[c].step);
            if (bad_difference(difference) && row->first[c].token < bad->token)
                *bad = (RdctBadBlock){row->first[c].token, c, row->first[c].block, difference};
            row->tokens[row->first[c].token] = make_token(walk, difference) | (c == 0 ? 0 : 2u << TABLE_SHIFT);
        }
        if (row->last.step[c].step != 0) {
            predictor->value[c] = row->last.value[c];
            predictor->step[c] = row->last.step[c];
        }
    }
    return bad->token == SIZE_MAX ? 0 : -1;
}

void rdct_tokens_count(const RdctTokenRow *row, RdctSymbolCounts *counts) {
    /* Two tables, so that a symbol that follows itself need not wait for its own count. */
    uint32_t odd[TABLES << TABLE_SHIFT] = {0};
    int64_t *even = counts->table[0];
    size_t i = 0;
    for (; i + 2 <= row->size; i += 2) {
        even[row->tokens[i] & ((TABLES << TABLE_SHIFT) - 1)]++;
        odd[row->tokens[i + 1] & ((TABLES << TABLE_SHIFT) - 1)]++;
    }
    if (i < row->size)
        even[row->tokens[i] & ((TABLES << TABLE_SHIFT) - 1)]++;
    for (int k = 0; k < TABLES << TABLE_SHIFT; k++)
        even[k] += odd[k];
    counts->blocks += row->blocks;
    counts->skipped += row->skipped;
    counts->nonzero += row->nonzero;
}

void rdct_token_codes_init(RdctTokenCodes *codes, const RdctHuffmanLengths *huffman) {
    RdctHuffmanEncoder encoder;
    for (int t = 0; t < TABLES; t++) {
        rdct_huffman_encoder_init(&encoder, huffman->lengths[t]);
        for (int symbol = 0; symbol < 256; symbol++) {
            const int size = symbol & ((1 << SIZE_BITS) - 1);
            codes->entry[t << TABLE_SHIFT | symbol] =
                encoder.length[symbol] == 0 || encoder.length[symbol] + size > TOKEN_BITS
                    ? 0 /* never used */
                    : encoder.code[symbol] << (size + LENGTH_BITS) | (uint32_t)(encoder.length[symbol] + size);
        }
    }
}

size_t rdct_tokens_room(const RdctTokenRow *row, int stuffing) {
    return RDCT_BITWRITER_ROOM(row->size * TOKEN_BITS, stuffing);
}

static inline void put_token(RdctBitWriter *writer, RdctToken token, const RdctTokenCodes *codes) {
    const uint32_t entry = codes->entry[token & ((TABLES << TABLE_SHIFT) - 1)];
    rdct_put_bits(writer, (entry >> LENGTH_BITS) | token >> EXTRA_SHIFT, (int)(entry & ((1 << LENGTH_BITS) - 1)));
}

static inline void write_tokens(const RdctTokenRow *row, const RdctTokenCodes *codes, int stuffing, RdctBitWriter *out) {
    RdctBitWriter writer = *out; /* a copy the compiler can keep in registers */
    size_t i = 0;
    for (; i + 2 <= row->size; i += 2) { /* two tokens and seven bits left over fit between two flushes */
        put_token(&writer, row->tokens[i], codes);
        put_token(&writer, row->tokens[i + 1], codes);
        rdct_bitwriter_flush(&writer, stuffing);
    }
    if (i < row->size) {
        put_token(&writer, row->tokens[i], codes);
        rdct_bitwriter_flush(&writer, stuffing);
    }
    *out = writer;
}

void rdct_tokens_write(const RdctTokenRow *row, const RdctTokenCodes *codes, int stuffing, RdctBitWriter *writer) {
    if (stuffing)
        write_tokens(row, codes, 1, writer);
    else
        write_tokens(row, codes, 0, writer);
}
