/* SPDX-License-Identifier: Apache-2.0
 * Chroma down and up, scalar reference: box average down, libjpeg's triangle filter up. */
#include "common/intops.h"
#include "dsp/reference.h"

/* Samples at x 8 lie in -1024..1020, so plain 16-bit sums of four cannot overflow. */
void rdct_downsample_h2_c(const int16_t *in, int n, int16_t *out) {
    for (int i = 0; i < n; i++)
        out[i] = (int16_t)((in[2 * i] + in[2 * i + 1] + 1) >> 1);
}

void rdct_downsample_h2v2_c(const int16_t *in0, const int16_t *in1, int n, int16_t *out) {
    for (int i = 0; i < n; i++)
        out[i] = (int16_t)((in0[2 * i] + in0[2 * i + 1] + in1[2 * i] + in1[2 * i + 1] + 2) >> 2);
}

/* (3 near + far + 2) >> 2 = near + ((far - near + 2) >> 2), which stays within 16 bits. */
static inline int16_t triangle(int16_t near_sample, int16_t far_sample) {
    return rdct_adds16(near_sample, rdct_round_shift16(rdct_subs16(far_sample, near_sample), 2));
}

void rdct_upsample_v2_c(const int16_t *near_row, const int16_t *far_row, int n, int16_t *out) {
    for (int i = 0; i < n; i++)
        out[i] = triangle(near_row[i], far_row[i]);
}

void rdct_upsample_h2_c(const int16_t *in, int n, int16_t *out) {
    for (int i = 0; i < n; i++) {
        out[2 * i] = triangle(in[i], in[i > 0 ? i - 1 : 0]);
        out[2 * i + 1] = triangle(in[i], in[i < n - 1 ? i + 1 : n - 1]);
    }
}
