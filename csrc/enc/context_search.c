/* SPDX-License-Identifier: Apache-2.0
 * The coefficients are weighed in the order in which they are coded, from the last to the first, each under the contexts that those
 * before it leave, against the value that is one less and against zero. Which of them is the last is decided at the end, when for each
 * it is known what those behind it would lose, and what they would no longer cost. */
#include "enc/context_search.h"

#include "common/intops.h"

#include <stdlib.h>
#include <string.h>

enum { BIT = RDCT_RDO_BIT, WHOLE_BITS = 16, FRACTION_BITS = 6 };

/* 256 log2(1 + (i + 1/2) / 64) */
static const uint8_t logarithm[1 << FRACTION_BITS] = {3,   9,   14,  20,  25,  30,  36,  41,  46,  51,  56,  61,  66,  71,  75,  80,
                                                      85,  89,  94,  98,  103, 107, 111, 116, 120, 124, 128, 132, 136, 140, 144, 148,
                                                      152, 155, 159, 163, 167, 170, 174, 178, 181, 185, 188, 192, 195, 198, 202, 205,
                                                      208, 212, 215, 218, 221, 224, 228, 231, 234, 237, 240, 243, 246, 249, 252, 255};

/* What a symbol costs by the mean of two distributions. */
static inline int32_t cost_of(const RdctDistribution *a, const RdctDistribution *b, int symbol) {
    const uint32_t low = symbol > 0 ? (uint32_t)a->at[symbol] + b->at[symbol] : 0;
    const uint32_t high = symbol < RDCT_SYMBOLS - 1 ? (uint32_t)a->at[symbol + 1] + b->at[symbol + 1] : 2 * RDCT_SYMBOL_ONE;
    const uint32_t share = high - low; /* of 2^16, at least 2 RDCT_SYMBOL_FLOOR */
    const int bits = rdct_bit_width(share) - 1;
    const uint32_t fraction = (share << WHOLE_BITS >> bits) >> (WHOLE_BITS - FRACTION_BITS) & ((1u << FRACTION_BITS) - 1);
    return (WHOLE_BITS - bits) * BIT - logarithm[fraction];
}

/* A magnitude, less `least`, with its sign. */
static inline int32_t magnitude_cost(const RdctDistribution *a, const RdctDistribution *b, int magnitude, int least) {
    const int over = magnitude - least;
    if (over < RDCT_ESCAPE)
        return cost_of(a, b, over) + (magnitude > 0 ? BIT : 0);
    return cost_of(a, b, RDCT_ESCAPE) + BIT * 2 * rdct_bit_width((uint32_t)(over - RDCT_ESCAPE) + 1);
}

static inline int32_t end_cost(const RdctBlockModel *model, const RdctBlockContext *context, int chroma, int end) {
    const int class = rdct_end_class[end];
    return cost_of(&model->end_by_ends[chroma][context->ends], &model->end_by_busy[chroma][context->busy][context->gradient], class) +
           BIT * rdct_end_bits[class];
}

/* Where a block could end. */
typedef struct End {
    int place, value; /* 0: no AC at all */
    int64_t cost;     /* more than what is common to all */
} End;

void rdct_context_choose(RdctBlockModel *model, const RdctBlockContext *context, int chroma, const RdctRdoTable *table,
                         const int16_t *coefficients, int16_t *qcoef, uint64_t *nonzero) {
    const uint64_t ac = *nonzero & ~UINT64_C(1);
    if (ac == 0)
        return;
    uint8_t small[64 + 16] = {0};
    int16_t chosen[64];
    int64_t dropped = 0, spent = 0; /* errors of all from k on as zeros; bits and errors of all from k on as chosen */
    End best = {0, 0, INT64_MAX};
    uint64_t kept = 0;
    for (int k = 63 - __builtin_clzll(ac); k > 0; k--) {
        const int rounded = abs(qcoef[k]), magnitude = abs(coefficients[k]);
        RdctDistribution *a, *b;
        rdct_model_distributions(model, context, small, chroma, k, 0, &a, &b);
        const int32_t zero = cost_of(a, b, 0);
        if (rounded == 0) {
            spent += zero;
            continue;
        }
        const int64_t lost = rdct_rdo_distortion(table, k, magnitude);
        int64_t least = lost + zero, least_last = INT64_MAX;
        int value = 0, value_last = 0;
        const RdctDistribution *last = &model->last[chroma][rdct_model_band[k]][rdct_beside_class[context->beside[k]]];
        for (int v = rounded; v > 0 && v >= rounded - 1; v--) {
            const int64_t error = rdct_rdo_distortion(table, k, magnitude - v * table->step[k]);
            const int64_t cost = error + magnitude_cost(a, b, v, 0), cost_last = error + magnitude_cost(last, last, v, 1);
            value = cost < least ? v : value;
            least = cost < least ? cost : least;
            value_last = cost_last < least_last ? v : value_last;
            least_last = cost_last < least_last ? cost_last : least_last;
        }
        spent += least;
        const int64_t cost = dropped + least_last + end_cost(model, context, chroma, k) - spent;
        if (cost < best.cost)
            best = (End){k, value_last, cost};
        dropped += lost;
        chosen[k] = (int16_t)value;
        small[k] = (uint8_t)(value < RDCT_SMALL_MAX ? value : RDCT_SMALL_MAX);
        kept |= (uint64_t)(value > 0) << k;
    }
    if (dropped + end_cost(model, context, chroma, 0) - spent < best.cost)
        best = (End){0, 0, 0};
    kept &= (UINT64_C(1) << best.place) - 1;
    if (best.place > 0) {
        chosen[best.place] = (int16_t)best.value;
        kept |= UINT64_C(1) << best.place;
    }
    for (uint64_t left = ac; left != 0; left &= left - 1) {
        const int k = rdct_lowest_bit(left), value = kept >> k & 1 ? chosen[k] : 0;
        qcoef[k] = (int16_t)(qcoef[k] < 0 ? -value : value);
    }
    *nonzero = kept | (*nonzero & 1);
}
