/* SPDX-License-Identifier: Apache-2.0
 * The kernels, as pointers: the scalar reference first, then the ladder of instruction sets overwrites what it does better.
 * Every variant equals the reference bit for bit (tests/simd). */
#ifndef RDCT_DSP_DSP_H
#define RDCT_DSP_DSP_H

#include <stddef.h>
#include <stdint.h>

/* A quantiser for one table, in zigzag order, all in 16 bits: with d = 8 * step,
 * q = ((((|c| + half) * reciprocal) >> 16) * scale) >> 16. quant.c says why that is exact. */
typedef struct RdctQuantizer {
    uint16_t half[64];       /* d / 2, or less for a dead zone */
    uint16_t reciprocal[64]; /* 2^(16+s) / d, rounded up */
    uint16_t scale[64];      /* 2^(16-s) */
} RdctQuantizer;

typedef struct RdctDsp {
    const char *name; /* "c", "ssse3", "avx2", "avx512", "neon" */

    /* One row of n pixels. RGB interleaved u8 -> i16 (sample-128) x 8. */
    void (*rgb_to_ycc)(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr);
    void (*grey_to_y)(const uint8_t *grey, int n, int16_t *y);
    /* n output samples from 2n input samples of one row (h2) or two rows (h2v2), -1024..1020. */
    void (*downsample_h2)(const int16_t *in, int n, int16_t *out);
    void (*downsample_h2v2)(const int16_t *in0, const int16_t *in1, int n, int16_t *out);

    /* A run of n blocks side by side in a plane (stride in samples): forward DCT, then each block by its own quantiser, halves away from
     * zero. qcoef: [n][64] in zigzag order; nonzero: [n], bit k = zigzag position k. */
    void (*fdct_quantize)(const int16_t *plane, ptrdiff_t stride, int n, const RdctQuantizer *const *quantizers, int16_t *qcoef,
                          uint64_t *nonzero);

    /* And back: qcoef [n][64], values -2048..2047, and steps in natural order: clamp(qcoef * step, -2048, 2047), inverse DCT,
     * (sample-128) x 16. nonzero as above, a hint that never changes the result. */
    void (*dequant_idct)(const int16_t *qcoef, const uint16_t *const *steps, const uint64_t *nonzero, int n, int16_t *plane,
                         ptrdiff_t stride);

    /* Triangle filter. v2: near and far rows -> n samples. h2: n input samples (edges replicated) -> 2n samples. */
    void (*upsample_v2)(const int16_t *near_row, const int16_t *far_row, int n, int16_t *out);
    void (*upsample_h2)(const int16_t *in, int n, int16_t *out);
    /* i16 (sample-128) x 16 -> interleaved RGB or grey. */
    void (*ycc_to_rgb8)(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb);
    void (*ycc_to_rgb16)(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint16_t *rgb);
    void (*ycc_to_rgbf)(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, float *rgb);
    void (*y_to_grey8)(const int16_t *y, int n, uint8_t *grey);
    void (*y_to_grey16)(const int16_t *y, int n, uint16_t *grey);
    void (*y_to_greyf)(const int16_t *y, int n, float *grey);

    uint32_t (*crc32c)(const uint8_t *data, size_t size);
} RdctDsp;

/* cpu: RdctCpu. Returns 0, or -1 if this machine or build lacks what was asked for. */
int rdct_dsp_init(RdctDsp *dsp, int cpu);
void rdct_quantizer_init(RdctQuantizer *quantizer, const uint16_t *steps);      /* steps: natural order */
void rdct_quantizer_init_dead(RdctQuantizer *quantizer, const uint16_t *steps); /* AC with dead zones, for any of the kernels */
void rdct_quantizer_init_keep(RdctQuantizer *quantizer);                        /* qcoef = coefficient, x 8 as it is */
/* CRC-32C for whoever has no RdctDsp at hand (headers); the same value as every crc32c kernel. */
uint32_t rdct_crc32c(const uint8_t *data, size_t size);

#endif
