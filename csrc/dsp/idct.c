/* SPDX-License-Identifier: Apache-2.0
 * Reconstruction and inverse DCT, scalar reference: columns first, then rows; each pass is the transpose of fdct.c's and has gain
 * 2 sqrt(2) over the orthonormal transform.
 *
 *   clamp(qcoef * step, -2048, 2047)  << 4   columns   rows  (sample-128) x 128   (v + 4) >> 3   ->  (sample-128) x 16
 *
 * Legal pictures use half of the 16 bits; what a damaged or over-quantised block makes beyond that saturates. */
#include "common/intops.h"
#include "dsp/reference.h"
#include "dsp/rotation.h"

enum { PRE_SHIFT = 4, END_SHIFT = 3 };

/* One inverse transform of 8 values, in place. */
static inline void pass(int16_t v[8]) {
    const int16_t e0 = rdct_adds16(v[0], v[4]), e1 = rdct_subs16(v[0], v[4]);
    const int16_t e3 = rdct_adds16(rdct_adds16(v[2], rdct_mulhrs16(v[2], RDCT_R2_COS_2_M1)), rdct_mulhrs16(v[6], RDCT_R2_COS_6));
    const int16_t e2 = rdct_subs16(rdct_mulhrs16(v[2], RDCT_R2_COS_6), rdct_adds16(v[6], rdct_mulhrs16(v[6], RDCT_R2_COS_2_M1)));
    const int16_t s0 = rdct_adds16(e0, e3), s3 = rdct_subs16(e0, e3);
    const int16_t s1 = rdct_adds16(e1, e2), s2 = rdct_subs16(e1, e2);

    const int16_t y7 = rdct_adds16(v[1], v[7]), y4 = rdct_subs16(v[1], v[7]);
    const int16_t y5 = rdct_adds16(v[3], rdct_mulhrs16(v[3], RDCT_R2_M1));
    const int16_t y6 = rdct_adds16(v[5], rdct_mulhrs16(v[5], RDCT_R2_M1));
    const int16_t t4 = rdct_adds16(y4, y6), t6 = rdct_subs16(y4, y6);
    const int16_t t7 = rdct_adds16(y7, y5), t5 = rdct_subs16(y7, y5);
    const int16_t d0 = rdct_adds16(rdct_mulhrs16(t7, RDCT_COS_3), rdct_mulhrs16(t4, RDCT_SIN_3));
    const int16_t d3 = rdct_subs16(rdct_mulhrs16(t4, RDCT_COS_3), rdct_mulhrs16(t7, RDCT_SIN_3));
    const int16_t d1 = rdct_adds16(rdct_mulhrs16(t6, RDCT_COS_1), rdct_mulhrs16(t5, RDCT_SIN_1));
    const int16_t d2 = rdct_subs16(rdct_mulhrs16(t5, RDCT_COS_1), rdct_mulhrs16(t6, RDCT_SIN_1));

    v[0] = rdct_adds16(s0, d0);
    v[7] = rdct_subs16(s0, d0);
    v[1] = rdct_adds16(s1, d1);
    v[6] = rdct_subs16(s1, d1);
    v[2] = rdct_adds16(s2, d2);
    v[5] = rdct_subs16(s2, d2);
    v[3] = rdct_adds16(s3, d3);
    v[4] = rdct_subs16(s3, d3);
}

static inline int16_t reconstruct(int16_t qcoef, uint16_t step) {
    return (int16_t)(rdct_clamp(qcoef * step, -2048, 2047) * (1 << PRE_SHIFT));
}

/* A lone DC passes both transforms unchanged: every sample is dc << 4, rounded as below. */
static void fill_flat(int16_t value, int16_t *plane, ptrdiff_t stride) {
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
            plane[y * stride + x] = value;
}

static void dequant_idct(const int16_t *qcoef, const uint16_t *steps, uint64_t nonzero, int16_t *plane, ptrdiff_t stride) {
    if (nonzero <= 1) {
        fill_flat(rdct_round_shift16(reconstruct(qcoef[0], steps[0]), END_SHIFT), plane, stride);
        return;
    }
    int16_t block[64], v[8];
    for (int x = 0; x < 8; x++) {
        for (int k = 0; k < 8; k++)
            v[k] = reconstruct(qcoef[8 * k + x], steps[8 * k + x]);
        pass(v);
        for (int k = 0; k < 8; k++)
            block[8 * k + x] = v[k];
    }
    for (int y = 0; y < 8; y++) {
        pass(block + 8 * y);
        for (int x = 0; x < 8; x++)
            plane[y * stride + x] = rdct_round_shift16(block[8 * y + x], END_SHIFT);
    }
}

void rdct_dequant_idct_c(const int16_t *qcoef, const uint16_t *const *steps, const uint64_t *nonzero, int n, int16_t *plane,
                         ptrdiff_t stride) {
    for (int b = 0; b < n; b++)
        dequant_idct(qcoef + 64 * b, steps[b], nonzero[b], plane + 8 * b, stride);
}
