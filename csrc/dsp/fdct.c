/* SPDX-License-Identifier: Apache-2.0
 * Forward DCT, scalar reference: columns first, then rows; each pass has gain 2 sqrt(2) over the orthonormal transform.
 *
 *   samples x 8 (-1024..1016)  << 2   columns   (v + 3) >> 3   rows   (v + 2) >> 2   ->  orthonormal x 8
 *
 * The shift before the columns makes both passes fill the 16 bits: a flat block of -1024 reaches exactly -32768 after each, and no
 * intermediate of legal samples saturates. Between the passes halves are rounded down, at the end up: the two biases oppose. */
#include "common/intops.h"
#include "dsp/reference.h"
#include "dsp/rotation.h"

enum { PRE_SHIFT = 2, MID_SHIFT = 3, MID_ROUND = 3, END_SHIFT = 2 };

/* One transform of 8 values, in place. */
static inline void pass(int16_t v[8]) {
    const int16_t s0 = rdct_adds16(v[0], v[7]), d0 = rdct_subs16(v[0], v[7]);
    const int16_t s1 = rdct_adds16(v[1], v[6]), d1 = rdct_subs16(v[1], v[6]);
    const int16_t s2 = rdct_adds16(v[2], v[5]), d2 = rdct_subs16(v[2], v[5]);
    const int16_t s3 = rdct_adds16(v[3], v[4]), d3 = rdct_subs16(v[3], v[4]);

    const int16_t e0 = rdct_adds16(s0, s3), e3 = rdct_subs16(s0, s3);
    const int16_t e1 = rdct_adds16(s1, s2), e2 = rdct_subs16(s1, s2);
    v[0] = rdct_adds16(e0, e1);
    v[4] = rdct_subs16(e0, e1);
    v[2] = rdct_adds16(rdct_adds16(e3, rdct_mulhrs16(e3, RDCT_R2_COS_2_M1)), rdct_mulhrs16(e2, RDCT_R2_COS_6));
    v[6] = rdct_subs16(rdct_mulhrs16(e3, RDCT_R2_COS_6), rdct_adds16(e2, rdct_mulhrs16(e2, RDCT_R2_COS_2_M1)));

    const int16_t t4 = rdct_adds16(rdct_mulhrs16(d3, RDCT_COS_3), rdct_mulhrs16(d0, RDCT_SIN_3));
    const int16_t t7 = rdct_subs16(rdct_mulhrs16(d0, RDCT_COS_3), rdct_mulhrs16(d3, RDCT_SIN_3));
    const int16_t t5 = rdct_adds16(rdct_mulhrs16(d2, RDCT_COS_1), rdct_mulhrs16(d1, RDCT_SIN_1));
    const int16_t t6 = rdct_subs16(rdct_mulhrs16(d1, RDCT_COS_1), rdct_mulhrs16(d2, RDCT_SIN_1));
    const int16_t y4 = rdct_adds16(t4, t6), y6 = rdct_subs16(t4, t6);
    const int16_t y7 = rdct_adds16(t7, t5), y5 = rdct_subs16(t7, t5);
    v[1] = rdct_adds16(y7, y4);
    v[7] = rdct_subs16(y7, y4);
    v[3] = rdct_adds16(y5, rdct_mulhrs16(y5, RDCT_R2_M1));
    v[5] = rdct_adds16(y6, rdct_mulhrs16(y6, RDCT_R2_M1));
}

void rdct_fdct_c(const int16_t *plane, ptrdiff_t stride, int16_t *coefficients) {
    int16_t v[8];
    for (int x = 0; x < 8; x++) {
        for (int k = 0; k < 8; k++)
            v[k] = (int16_t)(plane[k * stride + x] * (1 << PRE_SHIFT));
        pass(v);
        for (int k = 0; k < 8; k++)
            coefficients[8 * k + x] = (int16_t)(rdct_adds16(v[k], MID_ROUND) >> MID_SHIFT);
    }
    for (int y = 0; y < 8; y++) {
        int16_t *row = coefficients + 8 * y;
        pass(row);
        for (int k = 0; k < 8; k++)
            row[k] = rdct_round_shift16(row[k], END_SHIFT);
    }
}
