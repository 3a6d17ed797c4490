/* SPDX-License-Identifier: Apache-2.0
 * Refinement streams (docs/bitstream.md, section 10): what reader and writer share. */
#ifndef RDCT_STREAM_REFINE_H
#define RDCT_STREAM_REFINE_H

#include "common/intops.h"
#include "common/layout.h"
#include "dsp/dsp.h"
#include "rdct.h"
#include "stream/rangecoder.h"

/* A mode says how a region is coded: SKIP, else level << 1 | fresh. Put through rdct_block_levels like a level, it comes out right for
 * chroma too: the finest level covered, refined before fresh. */
static inline uint8_t rdct_mode(int level, int fresh) {
    return (uint8_t)(level << 1 | fresh);
}
static inline int rdct_mode_level(uint8_t mode) {
    return mode == RDCT_SKIP ? RDCT_SKIP : mode >> 1;
}
static inline int rdct_mode_refined(uint8_t mode) {
    return (mode & 1) == 0; /* SKIP is odd */
}

/* What a coefficient of the base promises in other steps. */
static inline int rdct_refine_predict(int base, int base_step, int step) {
    return base_step == step ? base : rdct_round_div(rdct_clamp(base * base_step, -1024, 1023), step);
}

/* The base against the layout of the stream ("refine_geometry"), its own ranges ("refine_base"), and its hash. */
int rdct_base_check(const RdctDsp *dsp, const RdctBase *base, const RdctLayout *layout, uint8_t hash[RDCT_ID_BYTES], RdctError *err);

/* Refined or fresh, for every region that is not SKIP. Reading completes modes from the level map. */
void rdct_refine_map_write(RdctRangeEncoder *range, const uint8_t *modes, int rows, int cols);
void rdct_refine_map_read(RdctRangeDecoder *range, const uint8_t *level_map, uint8_t *modes, int rows, int cols);

#endif
