/* SPDX-License-Identifier: Apache-2.0
 * Blocks -> tokens -> counts or bits (docs/bitstream.md, section 6).
 *
 * A token is a run/size symbol of one of four Huffman tables with its extra bits. One walk over the blocks of an MCU row makes
 * them, in the order of the stream; counting and coding are loops over tokens that know nothing of blocks. An MCU row is made into
 * tokens on its own, as if the row above did not exist; joining it to that row only changes the first DC of each component. */
#ifndef RDCT_ENC_SYMBOLS_H
#define RDCT_ENC_SYMBOLS_H

#include "common/dc.h"
#include "common/layout.h"
#include "enc/rows.h"
#include "stream/bitwriter.h"
#include "stream/huffman.h"

/* Largest values baseline categories hold: DC differences of category 11, AC of size 10. */
#define RDCT_MAX_DC_DIFFERENCE 2047
#define RDCT_MAX_AC 1023
/* Bytes of a block at worst: 64 * (16 + 11) bits = 216 bytes, twice for stuffing, and what the bit writer touches. */
#define RDCT_BLOCK_BYTES 448

/* bits 0..3 size, 4..7 run, 8..9 table as in RdctHuffmanLengths, 16..27 extra bits */
typedef uint32_t RdctToken;

/* What does not change over a picture. */
typedef struct RdctWalk {
    const RdctLayout *layout;
    RdctDcStep dc_steps[3 * RDCT_MAX_LEVELS]; /* [levels][3] */
    int blocks;                               /* of an MCU */
    struct {
        int component, x, y;
    } block[6];
    RdctToken small[256]; /* size and extra bits of -128..127 */
} RdctWalk;

/* Per component the last coded quantised DC and its step; all zeros = none yet. */
typedef struct RdctPredictor {
    int value[3];
    RdctDcStep step[3];
} RdctPredictor;

/* A block whose DC difference has no category. */
typedef struct RdctBadBlock {
    size_t token; /* of its DC; SIZE_MAX = there is none */
    int component, block, difference;
} RdctBadBlock;

typedef struct RdctTokenRow {
    RdctToken *tokens; /* NULL = not made */
    size_t size;
    struct {
        size_t token;
        int block, value;
        RdctDcStep step; /* all zeros = no block here is predicted from the row above */
    } first[3];
    RdctPredictor last; /* step 0 = the component has no coded block here */
    RdctBadBlock bad;   /* inside the row */
    int64_t blocks, skipped, nonzero;
} RdctTokenRow;

typedef struct RdctSymbolCounts {
    int64_t table[4][256]; /* as in RdctHuffmanLengths */
    int64_t blocks, skipped, nonzero;
} RdctSymbolCounts;

/* What a token becomes: code and room for the extra bits << 5 | bits in all. By the low ten bits of a token. */
typedef struct RdctTokenCodes {
    uint32_t entry[1024];
} RdctTokenCodes;

/* steps: [levels][3][64] */
void rdct_walk_init(RdctWalk *walk, const RdctLayout *layout, const uint16_t *steps, int levels);
size_t rdct_row_tokens_bound(const RdctLayout *layout);
/* Index of the i-th block of an MCU in its component's blocks of this MCU row. */
static inline int rdct_walk_block(const RdctWalk *walk, int i, int mcu_x) {
    const int c = walk->block[i].component, h = c == 0 ? walk->layout->h_samp : 1;
    return walk->block[i].y * walk->layout->blocks_wide[c] + mcu_x * h + walk->block[i].x;
}

/* tokens: rdct_row_tokens_bound. Only coefficients given from outside can have bad blocks. */
void rdct_tokens_make(const RdctWalk *walk, const RdctBlockRow *blocks, RdctToken *tokens, RdctTokenRow *row);
/* Joins a row to the one above (to none: a predictor of zeros) and moves the predictor on. Returns 0, or -1 with *bad filled. */
int rdct_tokens_join(const RdctWalk *walk, RdctTokenRow *row, RdctPredictor *predictor, RdctBadBlock *bad);
/* Adds to counts. */
void rdct_tokens_count(const RdctTokenRow *row, RdctSymbolCounts *counts);

void rdct_token_codes_init(RdctTokenCodes *codes, const RdctHuffmanLengths *huffman);
/* Bytes the writer may touch. */
size_t rdct_tokens_room(const RdctTokenRow *row, int stuffing);
void rdct_tokens_write(const RdctTokenRow *row, const RdctTokenCodes *codes, int stuffing, RdctBitWriter *writer);

#endif
