/* SPDX-License-Identifier: Apache-2.0
 * Adaptive range coder of symbols 0..15 (docs/bitstream.md, section 11): sixteen-bit range, distributions of sixteen 16-bit numbers, so
 * that one or two vector instructions do for all sixteen boundaries what a scalar machine does for one. No division. */
#ifndef RDCT_STREAM_SYMBOLCODER_H
#define RDCT_STREAM_SYMBOLCODER_H

#include "stream/bitreader.h"
#include "stream/lanes.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RDCT_SYMBOLS = 16,
    RDCT_SYMBOL_ONE = 1 << 15, /* probabilities are in units of 2^-15 */
    RDCT_SYMBOL_FLOOR = 8      /* the least probability: a gap between boundaries never closes */
};

/* at[0]: how often it was used, up to 255. at[i], i = 1..15: the probability of a symbol below i. */
typedef struct RdctDistribution {
    alignas(32) uint16_t at[RDCT_SYMBOLS];
} RdctDistribution;

/* hazard[s]: 256 times the probability of s given that the symbol is not below s; the last of n holds for all that follow. */
void rdct_distribution_init(RdctDistribution *distribution, const uint8_t *hazard, int n);

/* at[i] of the distribution that is certain of a symbol: what every use moves towards. */
extern const alignas(32) uint16_t rdct_symbol_target[RDCT_SYMBOLS][RDCT_SYMBOLS];

/* After symbol s: a sixteenth of the way at first, then a 32nd, then a 64th. */
static inline void rdct_distribution_adapt(RdctDistribution *distribution, int symbol) {
    uint16_t *at = distribution->at;
    const uint16_t uses = at[0];
    rdct_lanes_approach(at, rdct_symbol_target[symbol], 4 + (uses >= 4) + (uses >= 52));
    at[0] = (uint16_t)(uses + (uses < 255));
}

typedef struct RdctSymbolEncoder {
    uint64_t low;   /* 16 bits of the range, `count` pending ones above, and a carry */
    uint32_t range; /* 2^15..2^16 - 1 between symbols */
    int count;
    uint8_t *start, *next;
} RdctSymbolEncoder;

/* out: 2 bytes a symbol and 8 more are enough. */
void rdct_symbol_encoder_init(RdctSymbolEncoder *encoder, uint8_t *out);
/* Moves whole bytes out, and a carry into those before. */
void rdct_symbol_encoder_flush(RdctSymbolEncoder *encoder);
/* The bytes written; none of them a trailing zero. */
size_t rdct_symbol_encoder_finish(RdctSymbolEncoder *encoder);

typedef struct RdctSymbolDecoder {
    uint64_t window; /* left-aligned */
    uint32_t range;
    int count;     /* bits of the window that were loaded */
    int64_t taken; /* bits loaded in all, zeros past the end included */
    const uint8_t *next, *end;
} RdctSymbolDecoder;

void rdct_symbol_decoder_init(RdctSymbolDecoder *decoder, const uint8_t *data, size_t size);
void rdct_symbol_decoder_refill(RdctSymbolDecoder *decoder);
/* Does a section of this size end where its symbols end? An encoder never makes more. */
int rdct_symbol_decoder_at_end(const RdctSymbolDecoder *decoder, size_t size);

/* Boundary i = 1..15 of the mixture of two distributions, in units of the range. */
static inline uint32_t rdct_symbol_boundary(uint32_t range, const RdctDistribution *a, const RdctDistribution *b, int i) {
    return range * (uint32_t)(a->at[i] + b->at[i]) >> 16;
}

/* Codes by the mean of two distributions (or of one with itself) and adapts both. */
static inline void rdct_symbol_encode(RdctSymbolEncoder *encoder, RdctDistribution *a, RdctDistribution *b, int symbol) {
    const uint32_t range = encoder->range;
    const uint32_t low = symbol > 0 ? rdct_symbol_boundary(range, a, b, symbol) : 0;
    const uint32_t high = symbol < RDCT_SYMBOLS - 1 ? rdct_symbol_boundary(range, a, b, symbol + 1) : range;
    const int shift = __builtin_clz(high - low) - 16;
    encoder->low = (encoder->low + low) << shift;
    encoder->range = (high - low) << shift;
    encoder->count += shift;
    if (encoder->count > 32)
        rdct_symbol_encoder_flush(encoder);
    rdct_distribution_adapt(a, symbol);
    if (b != a)
        rdct_distribution_adapt(b, symbol);
}

static inline int rdct_symbol_decode(RdctSymbolDecoder *decoder, RdctDistribution *a, RdctDistribution *b) {
    const uint32_t range = decoder->range;
    const int symbol = rdct_lanes_rank(a->at, b->at, (uint16_t)range, (uint16_t)(decoder->window >> 48));
    const uint32_t low = symbol > 0 ? rdct_symbol_boundary(range, a, b, symbol) : 0;
    const uint32_t high = symbol < RDCT_SYMBOLS - 1 ? rdct_symbol_boundary(range, a, b, symbol + 1) : range;
    const int shift = __builtin_clz(high - low) - 16;
    decoder->window = (decoder->window - ((uint64_t)low << 48)) << shift;
    decoder->range = (high - low) << shift;
    decoder->count -= shift;
    if (decoder->count < 32)
        rdct_symbol_decoder_refill(decoder);
    rdct_distribution_adapt(a, symbol);
    if (b != a)
        rdct_distribution_adapt(b, symbol);
    return symbol;
}

#endif
