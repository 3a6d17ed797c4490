/* SPDX-License-Identifier: Apache-2.0
 * The quantiser: c / d rounded half away from zero, d = 8 * step, by multiplication with an exact reciprocal:
 * ((|c| + d/2) * ceil(2^(16+s) / d)) >> (16+s), s = floor(log2 d), equals true division for |c| <= 2^15.
 *
 * The shift is done in two steps, by 16 and by s, which loses nothing, and the second as a multiplication by 2^(16-s), so that both
 * are the high half of a 16-bit product. If d is a power of two its reciprocal would be 2^16, one bit too many: then half of it is
 * taken, and s one less. */
#include "common/intops.h"
#include "common/tables.h"
#include "dsp/reference.h"

void rdct_quantizer_init(RdctQuantizer *quantizer, const uint16_t *steps) {
    for (int k = 0; k < 64; k++) {
        const uint32_t d = 8u * steps[rdct_zigzag[k]];
        int s = rdct_bit_width(d) - 1;
        s -= d == UINT32_C(1) << s;
        quantizer->half[k] = (uint16_t)(d / 2);
        quantizer->reciprocal[k] = (uint16_t)(((UINT32_C(1) << (16 + s)) + d - 1) / d);
        quantizer->scale[k] = (uint16_t)(UINT32_C(1) << (16 - s));
    }
}

/* What is added before the division, in 256ths of a step, 128 being plain rounding: less for higher frequencies, where a coefficient
 * costs more zeros, and for larger steps, which leave fewer of them. By experiment (docs/experiments/coding.md). */
static uint32_t dead_zone_offset(int k, uint32_t step) {
    enum { FIRST = 130, FALL = 30, FALL_BY_BIT = 5 };
    const int offset = FIRST - FALL * k / 63 - FALL_BY_BIT * rdct_bit_width(step);
    return (uint32_t)rdct_clamp(offset, 0, 128);
}

/* Any offset up to d/2 is as exact as d/2. */
void rdct_quantizer_init_dead(RdctQuantizer *quantizer, const uint16_t *steps) {
    rdct_quantizer_init(quantizer, steps);
    for (int k = 1; k < 64; k++) {
        const uint32_t step = steps[rdct_zigzag[k]];
        quantizer->half[k] = (uint16_t)(8 * step * dead_zone_offset(k, step) >> 8);
    }
}

/* x -> (x + 2) * 65535 >> 16 = x + 1 -> (x + 1) * 65535 >> 16 = x, for x in 0..65533. */
void rdct_quantizer_init_keep(RdctQuantizer *quantizer) {
    for (int k = 0; k < 64; k++) {
        quantizer->half[k] = 2;
        quantizer->reciprocal[k] = UINT16_MAX;
        quantizer->scale[k] = UINT16_MAX;
    }
}

uint64_t rdct_quantize_c(const int16_t *coefficients, const RdctQuantizer *quantizer, int16_t *qcoef) {
    uint64_t nonzero = 0;
    for (int k = 0; k < 64; k++) {
        const int c = coefficients[rdct_zigzag[k]];
        const uint32_t magnitude = (uint32_t)(c < 0 ? -c : c) + quantizer->half[k]; /* below 2^16 */
        const int q = (int)(((magnitude * quantizer->reciprocal[k]) >> 16) * quantizer->scale[k] >> 16);
        qcoef[k] = (int16_t)(c < 0 ? -q : q);
        nonzero |= (uint64_t)(q != 0) << k;
    }
    return nonzero;
}

void rdct_fdct_quantize_c(const int16_t *plane, ptrdiff_t stride, int n, const RdctQuantizer *const *quantizers, int16_t *qcoef,
                          uint64_t *nonzero) {
    int16_t coefficients[64];
    for (int b = 0; b < n; b++) {
        rdct_fdct_c(plane + 8 * b, stride, coefficients);
        nonzero[b] = rdct_quantize_c(coefficients, quantizers[b], qcoef + 64 * b);
    }
}
