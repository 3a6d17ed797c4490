/* SPDX-License-Identifier: Apache-2.0
 * What a block's neighbours say about it: contexts of the context-modelled entropy coder (docs/bitstream.md, section 11). Encoder and
 * decoder walk a block with the same functions, so they cannot disagree. All arrays are in zigzag order. */
#ifndef RDCT_STREAM_BLOCKMODEL_H
#define RDCT_STREAM_BLOCKMODEL_H

#include "common/dc.h"
#include "stream/symbolcoder.h"

#include <string.h>

enum {
    RDCT_END_CLASSES = 13,   /* of the last nonzero position: 0, 1, 2, 3, 4, 5.., 7.., 9.., 13.., 17.., 25.., 33.., 49.. */
    RDCT_GRADIENTS = 11,     /* bits of the DC gradient around */
    RDCT_BUSY_CLASSES = 9,   /* of how many coefficients are expected to be nonzero */
    RDCT_BANDS = 9,          /* of frequencies */
    RDCT_AROUND_CLASSES = 8, /* of the magnitudes beside a coefficient in its block */
    RDCT_BESIDE_CLASSES = 8, /* of the magnitudes at its place in the blocks beside */
    RDCT_POSITIONS = 28,     /* finer classes of frequencies */
    RDCT_BOTH_CLASSES = 11,  /* of both kinds of magnitudes together */
    RDCT_SMALL_MAX = 15,     /* magnitudes above count as this */
    RDCT_ESCAPE = 15,        /* the symbol of magnitudes from here on; the rest follows in plain bits */
    RDCT_MAX_DC_CATEGORY = 12
};

/* The distributions of one slice; [2] is luma, chroma. */
typedef struct RdctBlockModel {
    RdctDistribution dc[2][RDCT_GRADIENTS];
    RdctDistribution end_by_ends[2][RDCT_END_CLASSES];
    RdctDistribution end_by_busy[2][RDCT_BUSY_CLASSES][RDCT_GRADIENTS];
    RdctDistribution last[2][RDCT_BANDS][RDCT_BESIDE_CLASSES];
    RdctDistribution by_band[2][RDCT_BANDS][RDCT_AROUND_CLASSES][RDCT_BESIDE_CLASSES];
    RdctDistribution by_position[2][RDCT_POSITIONS][RDCT_BOTH_CLASSES];
} RdctBlockModel;

/* As every slice begins. */
void rdct_block_model_init(RdctBlockModel *model);

/* Steps of one level and component. */
typedef struct RdctModelSteps {
    alignas(64) uint16_t step[64];
    uint16_t reciprocal[64]; /* 2^16 / step, rounded up, at most 2^16 - 1 */
    RdctDcStep dc;
} RdctModelSteps;

void rdct_model_steps_init(RdctModelSteps *steps, const uint16_t *natural);

/* A block that was coded, as those after it see it. */
typedef struct RdctNeighbour {
    alignas(64) uint16_t magnitude[64]; /* |reconstructed AC|, at most 2047; [0] = 0 */
    uint8_t small[64 + 16];             /* |quantised AC|, at most RDCT_SMALL_MAX; [0] and [64..] = 0 */
    int16_t dc;                         /* reconstructed, -1024..1023 */
    uint8_t end;                        /* position of the last nonzero AC, 0 = none */
    uint8_t coded;                      /* 0: SKIP, or not there */
} RdctNeighbour;

/* Where in a row of blocks we are. The row is overwritten as we go: from x on it holds the row above. */
typedef struct RdctRowPlace {
    RdctNeighbour *row; /* [wide] */
    int x, wide;
    int above;            /* 1: the row above belongs to the slice */
    int left_above_coded; /* of the block above the last one, which is overwritten */
    int16_t left_above_dc;
} RdctRowPlace;

/* What is known before the block. */
typedef struct RdctBlockContext {
    alignas(64) uint8_t beside[64]; /* twice the expected magnitude, in steps, at most 127 */
    int dc;                         /* the predicted quantised DC */
    int gradient, busy, ends;       /* classes */
} RdctBlockContext;

/* same: the other chroma component's block of this place, or NULL. */
void rdct_block_context(const RdctRowPlace *place, const RdctModelSteps *steps, const RdctNeighbour *same, RdctBlockContext *context);

/* Tables that both walks use. */
extern const uint8_t rdct_end_class[64], rdct_end_first[RDCT_END_CLASSES], rdct_end_bits[RDCT_END_CLASSES];
extern const uint8_t rdct_model_band[64], rdct_model_position[64];
extern const uint8_t rdct_around_class[128], rdct_beside_class[128], rdct_both_class[192];
extern const uint8_t rdct_model_around[64][5]; /* zigzag places right, below, right below, two right, two below; 64 = outside */

/* Weighted magnitudes around place k in its own block, at most 105: those at higher frequencies, which are coded first. */
static inline int rdct_around(const uint8_t *small, int k) {
    const uint8_t *at = rdct_model_around[k];
    return 2 * (small[at[0]] + small[at[1]]) + small[at[2]] + small[at[3]] + small[at[4]];
}

/* The two distributions whose mean codes the magnitude at place k; at the last place one, twice. */
static inline void rdct_model_distributions(RdctBlockModel *model, const RdctBlockContext *context, const uint8_t *small, int chroma, int k,
                                            int is_last, RdctDistribution **a, RdctDistribution **b) {
    const int beside = context->beside[k], band = rdct_model_band[k];
    if (is_last) {
        *a = *b = &model->last[chroma][band][rdct_beside_class[beside]];
        return;
    }
    const int around = rdct_around(small, k);
    *a = &model->by_band[chroma][band][rdct_around_class[around]][rdct_beside_class[beside]];
    *b = &model->by_position[chroma][rdct_model_position[k]][rdct_both_class[(3 * around + 2 * beside + 2) >> 2]];
}

/* The block itself becomes a neighbour: first without AC, then one nonzero magnitude after the other. */
static inline void rdct_neighbour_begin(RdctNeighbour *own, const RdctModelSteps *steps, int dc, int end) {
    memset(own->magnitude, 0, sizeof own->magnitude);
    memset(own->small, 0, sizeof own->small);
    own->dc = (int16_t)rdct_clamp(dc * steps->dc.step, -1024, 1023);
    own->end = (uint8_t)end;
    own->coded = 1;
}

static inline void rdct_neighbour_set(RdctNeighbour *own, const RdctModelSteps *steps, int k, int magnitude) {
    const int reconstructed = magnitude * steps->step[k];
    own->magnitude[k] = (uint16_t)(reconstructed < 2047 ? reconstructed : 2047);
    own->small[k] = (uint8_t)(magnitude < RDCT_SMALL_MAX ? magnitude : RDCT_SMALL_MAX);
}

#endif
