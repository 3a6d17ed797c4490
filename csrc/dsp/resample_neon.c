/* SPDX-License-Identifier: Apache-2.0 */
#include "dsp/cpu.h"
#if RDCT_HAVE_NEON

#include "dsp/vec_neon.h"

#include "dsp/reference.h"
#include "dsp/resample_inl.h"
#include "dsp/variants.h"

VEC_TARGET void rdct_downsample_h2_neon(const int16_t *in, int n, int16_t *out) {
    if (n < VEC_WIDTH) {
        rdct_downsample_h2_c(in, n, out);
        return;
    }
    downsample_h2_row(in, n, out);
}

VEC_TARGET void rdct_downsample_h2v2_neon(const int16_t *in0, const int16_t *in1, int n, int16_t *out) {
    if (n < VEC_WIDTH) {
        rdct_downsample_h2v2_c(in0, in1, n, out);
        return;
    }
    downsample_h2v2_row(in0, in1, n, out);
}

VEC_TARGET void rdct_upsample_v2_neon(const int16_t *near_row, const int16_t *far_row, int n, int16_t *out) {
    if (n < VEC_WIDTH) {
        rdct_upsample_v2_c(near_row, far_row, n, out);
        return;
    }
    upsample_v2_row(near_row, far_row, n, out);
}

VEC_TARGET void rdct_upsample_h2_neon(const int16_t *in, int n, int16_t *out) {
    if (n < VEC_WIDTH + 2) {
        rdct_upsample_h2_c(in, n, out);
        return;
    }
    int16_t edge[4];
    rdct_upsample_h2_c(in, 2, edge);
    out[0] = edge[0];
    out[1] = edge[1];
    upsample_h2_inside(in, n, out);
    rdct_upsample_h2_c(in + n - 2, 2, edge);
    out[2 * n - 2] = edge[2];
    out[2 * n - 1] = edge[3];
}

#endif
