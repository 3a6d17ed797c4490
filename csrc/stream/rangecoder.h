/* SPDX-License-Identifier: Apache-2.0
 * Adaptive binary range coder and the residual code built on it (docs/bitstream.md, section 7). For headers, not for speed. */
#ifndef RDCT_STREAM_RANGECODER_H
#define RDCT_STREAM_RANGECODER_H

#include <stddef.h>
#include <stdint.h>

typedef struct RdctBitModel {
    uint16_t fast, slow;
    uint8_t count;
} RdctBitModel;

#define RDCT_RESIDUAL_SETS 8
#define RDCT_RESIDUAL_CONTEXTS 5 /* differs, sign, 3 of the unary part */
typedef struct RdctResidualModel {
    RdctBitModel bit[RDCT_RESIDUAL_SETS][RDCT_RESIDUAL_CONTEXTS];
} RdctResidualModel;

typedef struct RdctRangeEncoder {
    uint64_t low;
    uint32_t range;
    uint8_t *out;
    size_t size, capacity;
    int overflow; /* capacity was too small: the caller grows it and starts again */
} RdctRangeEncoder;

typedef struct RdctRangeDecoder {
    uint32_t range, code;
    const uint8_t *next, *end; /* zeros past the end */
} RdctRangeDecoder;

/* The contexts of one residual. */
typedef struct RdctResidualContexts {
    RdctBitModel *differs, *below, *more; /* more[more_count], the last for all bits that follow */
    int more_count;
} RdctResidualContexts;

void rdct_bit_model_init(RdctBitModel *model);
/* As if it had seen bits enough to know. zeros: of 256, the probability of a 0. */
void rdct_bit_model_init_known(RdctBitModel *model, int zeros);
void rdct_residual_model_init(RdctResidualModel *model);

void rdct_range_encoder_init(RdctRangeEncoder *encoder, uint8_t *out, size_t capacity);
void rdct_range_encode(RdctRangeEncoder *encoder, RdctBitModel *model, int bit);
size_t rdct_range_encoder_finish(RdctRangeEncoder *encoder);
void rdct_range_decoder_init(RdctRangeDecoder *decoder, const uint8_t *data, size_t size);
int rdct_range_decode(RdctRangeDecoder *decoder, RdctBitModel *model);
/* One bit of probability one half, no adaptation. */
void rdct_range_encode_raw(RdctRangeEncoder *encoder, int bit);
int rdct_range_decode_raw(RdctRangeDecoder *decoder);
/* All bytes taken? An encoder never makes more than its decoder takes, so bytes left over mean a corrupt section. */
int rdct_range_decoder_at_end(const RdctRangeDecoder *decoder);

void rdct_residual_encode(RdctRangeEncoder *encoder, RdctResidualModel *model, int set, int prediction, int low, int high, int value);
int rdct_residual_decode(RdctRangeDecoder *decoder, RdctResidualModel *model, int set, int prediction, int low, int high);

RdctResidualContexts rdct_residual_contexts(RdctResidualModel *model, int set);
/* The same with contexts from anywhere. `below` is not asked if the prediction is a bound. */
void rdct_residual_encode_in(RdctRangeEncoder *encoder, const RdctResidualContexts *contexts, int prediction, int low, int high, int value);
int rdct_residual_decode_in(RdctRangeDecoder *decoder, const RdctResidualContexts *contexts, int prediction, int low, int high);

#endif
