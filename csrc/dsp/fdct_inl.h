/* SPDX-License-Identifier: Apache-2.0
 * Forward DCT and quantiser on VEC_LANES blocks at once: fdct.c and quant.c in the words of a vec_*.h. */
#include "dsp/dsp.h"
#include "dsp/rotation.h"
#include "dsp/transpose_inl.h"

enum { PRE_SHIFT = 2, MID_SHIFT = 3, MID_ROUND = 3, END_SHIFT = 2, END_ROUND = 2 }; /* as in fdct.c */

VEC_FN void fdct_pass(Vec v[8]) {
    const Vec s0 = vec_adds(v[0], v[7]), d0 = vec_subs(v[0], v[7]);
    const Vec s1 = vec_adds(v[1], v[6]), d1 = vec_subs(v[1], v[6]);
    const Vec s2 = vec_adds(v[2], v[5]), d2 = vec_subs(v[2], v[5]);
    const Vec s3 = vec_adds(v[3], v[4]), d3 = vec_subs(v[3], v[4]);

    const Vec e0 = vec_adds(s0, s3), e3 = vec_subs(s0, s3);
    const Vec e1 = vec_adds(s1, s2), e2 = vec_subs(s1, s2);
    v[0] = vec_adds(e0, e1);
    v[4] = vec_subs(e0, e1);
    v[2] = vec_adds(vec_adds(e3, vec_mulhrs(e3, RDCT_R2_COS_2_M1)), vec_mulhrs(e2, RDCT_R2_COS_6));
    v[6] = vec_subs(vec_mulhrs(e3, RDCT_R2_COS_6), vec_adds(e2, vec_mulhrs(e2, RDCT_R2_COS_2_M1)));

    const Vec t4 = vec_adds(vec_mulhrs(d3, RDCT_COS_3), vec_mulhrs(d0, RDCT_SIN_3));
    const Vec t7 = vec_subs(vec_mulhrs(d0, RDCT_COS_3), vec_mulhrs(d3, RDCT_SIN_3));
    const Vec t5 = vec_adds(vec_mulhrs(d2, RDCT_COS_1), vec_mulhrs(d1, RDCT_SIN_1));
    const Vec t6 = vec_subs(vec_mulhrs(d1, RDCT_COS_1), vec_mulhrs(d2, RDCT_SIN_1));
    const Vec y4 = vec_adds(t4, t6), y6 = vec_subs(t4, t6);
    const Vec y7 = vec_adds(t7, t5), y5 = vec_subs(t7, t5);
    v[1] = vec_adds(y7, y4);
    v[7] = vec_subs(y7, y4);
    v[3] = vec_adds(y5, vec_mulhrs(y5, RDCT_R2_M1));
    v[5] = vec_adds(y6, vec_mulhrs(y6, RDCT_R2_M1));
}

/* Leaves column x of the coefficients in v[x]: transposing back is left to the zigzag. */
VEC_FN void fdct_columns(const int16_t *plane, ptrdiff_t stride, Vec v[8]) {
    for (int y = 0; y < 8; y++)
        v[y] = vec_sll(vec_load(plane + y * stride), PRE_SHIFT);
    fdct_pass(v);
    for (int y = 0; y < 8; y++)
        v[y] = vec_sra(vec_adds(v[y], vec_set(MID_ROUND)), MID_SHIFT);
    vec_transpose8(v);
    fdct_pass(v);
    for (int x = 0; x < 8; x++)
        v[x] = vec_sra(vec_adds(v[x], vec_set(END_ROUND)), END_SHIFT);
}

VEC_FN Vec quantize_vec(Vec c, const RdctQuantizer *quantizer, int first) {
    const Vec magnitude = vec_add(vec_abs(c), vec_load(quantizer->half + first));
    const Vec product = vec_mulhi_u(magnitude, vec_load(quantizer->reciprocal + first));
    return vec_with_sign(vec_mulhi_u(product, vec_load(quantizer->scale + first)), c);
}

/* VEC_LANES blocks. */
VEC_FN void fdct_quantize_group(const int16_t *plane, ptrdiff_t stride, const RdctQuantizer *const *quantizers, int16_t *qcoef,
                                uint64_t *nonzero) {
    Vec v[8];
    fdct_columns(plane, stride, v);
    vec_zigzag_columns(v);
    for (int i = 0; i < 8; i++) {
        const int at = i * VEC_WIDTH;
        v[i] = quantize_vec(v[i], quantizers[at / 64], at % 64);
        vec_store(qcoef + at, v[i]);
    }
    vec_nonzero_masks(v, nonzero);
}

/* n >= VEC_LANES; the last group may repeat blocks of the one before. */
VEC_FN void fdct_quantize_run(const int16_t *plane, ptrdiff_t stride, int n, const RdctQuantizer *const *quantizers, int16_t *qcoef,
                              uint64_t *nonzero) {
    for (int i = 0; i < n; i += VEC_LANES) {
        const int b = i + VEC_LANES <= n ? i : n - VEC_LANES;
        fdct_quantize_group(plane + 8 * b, stride, quantizers + b, qcoef + 64 * b, nonzero + b);
    }
}
