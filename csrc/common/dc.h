/* SPDX-License-Identifier: Apache-2.0
 * DC prediction from a neighbour of another step (docs/bitstream.md, section 6), without a division and without a branch: in a
 * map of many levels every third block changes its step, and no processor foresees which. */
#ifndef RDCT_COMMON_DC_H
#define RDCT_COMMON_DC_H

#include "common/intops.h"

#include <stdint.h>

enum { RDCT_DC_RECIPROCAL_BITS = 31 };

/* The DC step of one table. All zeros = no neighbour: predicts 0. */
typedef struct RdctDcStep {
    int32_t step;
    uint32_t reciprocal; /* 2^31 / step, rounded up: n * reciprocal >> 31 is n / step for all n * step < 2^31 */
} RdctDcStep;

static inline RdctDcStep rdct_dc_step(int step) {
    const RdctDcStep dc = {step, (uint32_t)(((UINT64_C(1) << RDCT_DC_RECIPROCAL_BITS) + (uint32_t)step - 1) / (uint32_t)step)};
    return dc;
}

/* value: the neighbour's quantised DC, of step `before`. */
static inline int rdct_predict_dc(int value, RdctDcStep before, RdctDcStep now) {
    const int dc = rdct_clamp(value * before.step, -1024, 1023), sign = dc >> 31;
    const uint32_t magnitude = (uint32_t)((dc ^ sign) - sign) + (uint32_t)now.step / 2; /* at most 1024 + 2047 */
    const int rescaled = (int)((uint64_t)magnitude * now.reciprocal >> RDCT_DC_RECIPROCAL_BITS);
    const int changed = -(before.step != now.step);
    return (((rescaled ^ sign) - sign) & changed) | (value & ~changed);
}

#endif
