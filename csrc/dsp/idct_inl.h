/* SPDX-License-Identifier: Apache-2.0
 * Reconstruction and inverse DCT of VEC_LANES blocks at once: idct.c in the words of a vec_*.h. */
#include "common/intops.h"
#include "dsp/dsp.h"
#include "dsp/rotation.h"
#include "dsp/transpose_inl.h"

enum { PRE_SHIFT = 4, END_SHIFT = 3, END_ROUND = 4 }; /* as in idct.c */

VEC_FN void idct_pass(Vec v[8]) {
    const Vec e0 = vec_adds(v[0], v[4]), e1 = vec_subs(v[0], v[4]);
    const Vec e3 = vec_adds(vec_adds(v[2], vec_mulhrs(v[2], RDCT_R2_COS_2_M1)), vec_mulhrs(v[6], RDCT_R2_COS_6));
    const Vec e2 = vec_subs(vec_mulhrs(v[2], RDCT_R2_COS_6), vec_adds(v[6], vec_mulhrs(v[6], RDCT_R2_COS_2_M1)));
    const Vec s0 = vec_adds(e0, e3), s3 = vec_subs(e0, e3);
    const Vec s1 = vec_adds(e1, e2), s2 = vec_subs(e1, e2);

    const Vec y7 = vec_adds(v[1], v[7]), y4 = vec_subs(v[1], v[7]);
    const Vec y5 = vec_adds(v[3], vec_mulhrs(v[3], RDCT_R2_M1));
    const Vec y6 = vec_adds(v[5], vec_mulhrs(v[5], RDCT_R2_M1));
    const Vec t4 = vec_adds(y4, y6), t6 = vec_subs(y4, y6);
    const Vec t7 = vec_adds(y7, y5), t5 = vec_subs(y7, y5);
    const Vec d0 = vec_adds(vec_mulhrs(t7, RDCT_COS_3), vec_mulhrs(t4, RDCT_SIN_3));
    const Vec d3 = vec_subs(vec_mulhrs(t4, RDCT_COS_3), vec_mulhrs(t7, RDCT_SIN_3));
    const Vec d1 = vec_adds(vec_mulhrs(t6, RDCT_COS_1), vec_mulhrs(t5, RDCT_SIN_1));
    const Vec d2 = vec_subs(vec_mulhrs(t5, RDCT_COS_1), vec_mulhrs(t6, RDCT_SIN_1));

    v[0] = vec_adds(s0, d0);
    v[7] = vec_subs(s0, d0);
    v[1] = vec_adds(s1, d1);
    v[6] = vec_subs(s1, d1);
    v[2] = vec_adds(s2, d2);
    v[5] = vec_subs(s2, d2);
    v[3] = vec_adds(s3, d3);
    v[4] = vec_subs(s3, d3);
}

/* The product is taken of qcoef << 4, which fits in 16 bits, so that saturation does most of the clamp: only 32767 is not yet 2047 << 4. */
VEC_FN Vec idct_reconstruct(Vec qcoef, Vec steps) {
    return vec_and(vec_mul_saturate(vec_sll(qcoef, PRE_SHIFT), steps), vec_set(-(1 << PRE_SHIFT)));
}

VEC_FN void idct_group_full(const int16_t *qcoef, const uint16_t *const *steps, int16_t *plane, ptrdiff_t stride) {
    Vec v[8];
    for (int i = 0; i < 8; i++) {
        const int at = i * VEC_WIDTH;
        v[i] = idct_reconstruct(vec_load(qcoef + at), vec_load(steps[at / 64] + at % 64));
    }
    vec_blocks_to_rows(v);
    idct_pass(v);
    vec_transpose8(v);
    idct_pass(v);
    vec_transpose8(v);
    for (int y = 0; y < 8; y++)
        vec_store(plane + y * stride, vec_sra(vec_adds(v[y], vec_set(END_ROUND)), END_SHIFT));
}

/* Lone DCs pass both transforms unchanged. */
VEC_FN void idct_group_flat(const int16_t *qcoef, const uint16_t *const *steps, int16_t *plane, ptrdiff_t stride) {
    int16_t values[VEC_LANES];
    for (int b = 0; b < VEC_LANES; b++) {
        const int dc = rdct_clamp(qcoef[64 * b] * steps[b][0], -2048, 2047) * (1 << PRE_SHIFT);
        values[b] = rdct_round_shift16((int16_t)dc, END_SHIFT);
    }
    const Vec row = vec_fill_lanes(values);
    for (int y = 0; y < 8; y++)
        vec_store(plane + y * stride, row);
}

/* n >= VEC_LANES; the last group may repeat blocks of the one before. */
VEC_FN void dequant_idct_run(const int16_t *qcoef, const uint16_t *const *steps, const uint64_t *nonzero, int n, int16_t *plane,
                             ptrdiff_t stride) {
    for (int i = 0; i < n; i += VEC_LANES) {
        const int b = i + VEC_LANES <= n ? i : n - VEC_LANES;
        uint64_t any = 0;
        for (int k = 0; k < VEC_LANES; k++)
            any |= nonzero[b + k];
        if (any <= 1)
            idct_group_flat(qcoef + 64 * b, steps + b, plane + 8 * b, stride);
        else
            idct_group_full(qcoef + 64 * b, steps + b, plane + 8 * b, stride);
    }
}
