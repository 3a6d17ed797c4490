/* SPDX-License-Identifier: Apache-2.0
 * Chroma down and up, VEC_WIDTH samples at once: resample.c in the words of a vec_*.h. Every function needs n to be at least one
 * step; the last step may repeat samples of the one before. */
#include "dsp/dsp.h"

VEC_FN void downsample_h2_row(const int16_t *in, int n, int16_t *out) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        const Vec sums = vec_pair_sums(vec_load(in + 2 * x), vec_load(in + 2 * x + VEC_WIDTH));
        vec_store(out + x, vec_sra(vec_add(sums, vec_set(1)), 1));
    }
}

VEC_FN void downsample_h2v2_row(const int16_t *in0, const int16_t *in1, int n, int16_t *out) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        const Vec left = vec_add(vec_load(in0 + 2 * x), vec_load(in1 + 2 * x));
        const Vec right = vec_add(vec_load(in0 + 2 * x + VEC_WIDTH), vec_load(in1 + 2 * x + VEC_WIDTH));
        vec_store(out + x, vec_sra(vec_add(vec_pair_sums(left, right), vec_set(2)), 2));
    }
}

VEC_FN Vec resample_triangle(Vec near, Vec far) {
    return vec_adds(near, vec_sra(vec_adds(vec_subs(far, near), vec_set(2)), 2));
}

VEC_FN void upsample_v2_row(const int16_t *near_row, const int16_t *far_row, int n, int16_t *out) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        vec_store(out + x, resample_triangle(vec_load(near_row + x), vec_load(far_row + x)));
    }
}

/* All but the first and the last sample, which have no neighbour on one side. n >= VEC_WIDTH + 2. */
VEC_FN void upsample_h2_inside(const int16_t *in, int n, int16_t *out) {
    for (int i = 1; i < n - 1; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n - 1 ? i : n - 1 - VEC_WIDTH;
        const Vec here = vec_load(in + x);
        vec_store_zipped(out + 2 * x, resample_triangle(here, vec_load(in + x - 1)), resample_triangle(here, vec_load(in + x + 1)));
    }
}
