/* SPDX-License-Identifier: Apache-2.0
 * The rungs of the ladder above the reference; dsp.h says what each kernel does. A rung hands what is too short for it to the one below. */
#ifndef RDCT_DSP_VARIANTS_H
#define RDCT_DSP_VARIANTS_H

#include "dsp/dsp.h"

void rdct_rgb_to_ycc_ssse3(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr);
void rdct_grey_to_y_ssse3(const uint8_t *grey, int n, int16_t *y);
void rdct_ycc_to_rgb8_ssse3(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb);
void rdct_ycc_to_rgb16_ssse3(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint16_t *rgb);
void rdct_ycc_to_rgbf_ssse3(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, float *rgb);
void rdct_y_to_grey8_ssse3(const int16_t *y, int n, uint8_t *grey);
void rdct_y_to_grey16_ssse3(const int16_t *y, int n, uint16_t *grey);
void rdct_y_to_greyf_ssse3(const int16_t *y, int n, float *grey);
void rdct_downsample_h2_ssse3(const int16_t *in, int n, int16_t *out);
void rdct_downsample_h2v2_ssse3(const int16_t *in0, const int16_t *in1, int n, int16_t *out);
void rdct_upsample_v2_ssse3(const int16_t *near_row, const int16_t *far_row, int n, int16_t *out);
void rdct_upsample_h2_ssse3(const int16_t *in, int n, int16_t *out);
void rdct_fdct_quantize_ssse3(const int16_t *plane, ptrdiff_t stride, int n, const RdctQuantizer *const *quantizers, int16_t *qcoef,
                              uint64_t *nonzero);
void rdct_dequant_idct_ssse3(const int16_t *qcoef, const uint16_t *const *steps, const uint64_t *nonzero, int n, int16_t *plane,
                             ptrdiff_t stride);

void rdct_rgb_to_ycc_avx2(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr);
void rdct_grey_to_y_avx2(const uint8_t *grey, int n, int16_t *y);
void rdct_ycc_to_rgb8_avx2(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb);
void rdct_ycc_to_rgb16_avx2(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint16_t *rgb);
void rdct_ycc_to_rgbf_avx2(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, float *rgb);
void rdct_y_to_grey8_avx2(const int16_t *y, int n, uint8_t *grey);
void rdct_y_to_grey16_avx2(const int16_t *y, int n, uint16_t *grey);
void rdct_y_to_greyf_avx2(const int16_t *y, int n, float *grey);
void rdct_downsample_h2_avx2(const int16_t *in, int n, int16_t *out);
void rdct_downsample_h2v2_avx2(const int16_t *in0, const int16_t *in1, int n, int16_t *out);
void rdct_upsample_v2_avx2(const int16_t *near_row, const int16_t *far_row, int n, int16_t *out);
void rdct_upsample_h2_avx2(const int16_t *in, int n, int16_t *out);
void rdct_fdct_quantize_avx2(const int16_t *plane, ptrdiff_t stride, int n, const RdctQuantizer *const *quantizers, int16_t *qcoef,
                             uint64_t *nonzero);
void rdct_dequant_idct_avx2(const int16_t *qcoef, const uint16_t *const *steps, const uint64_t *nonzero, int n, int16_t *plane,
                            ptrdiff_t stride);

void rdct_rgb_to_ycc_avx512(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr);
void rdct_grey_to_y_avx512(const uint8_t *grey, int n, int16_t *y);
void rdct_ycc_to_rgb8_avx512(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb);
void rdct_ycc_to_rgb16_avx512(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint16_t *rgb);
void rdct_ycc_to_rgbf_avx512(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, float *rgb);
void rdct_y_to_grey8_avx512(const int16_t *y, int n, uint8_t *grey);
void rdct_y_to_grey16_avx512(const int16_t *y, int n, uint16_t *grey);
void rdct_y_to_greyf_avx512(const int16_t *y, int n, float *grey);
void rdct_downsample_h2_avx512(const int16_t *in, int n, int16_t *out);
void rdct_downsample_h2v2_avx512(const int16_t *in0, const int16_t *in1, int n, int16_t *out);
void rdct_upsample_v2_avx512(const int16_t *near_row, const int16_t *far_row, int n, int16_t *out);
void rdct_upsample_h2_avx512(const int16_t *in, int n, int16_t *out);
void rdct_fdct_quantize_avx512(const int16_t *plane, ptrdiff_t stride, int n, const RdctQuantizer *const *quantizers, int16_t *qcoef,
                               uint64_t *nonzero);
void rdct_dequant_idct_avx512(const int16_t *qcoef, const uint16_t *const *steps, const uint64_t *nonzero, int n, int16_t *plane,
                              ptrdiff_t stride);

void rdct_rgb_to_ycc_neon(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr);
void rdct_grey_to_y_neon(const uint8_t *grey, int n, int16_t *y);
void rdct_ycc_to_rgb8_neon(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb);
void rdct_ycc_to_rgb16_neon(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint16_t *rgb);
void rdct_ycc_to_rgbf_neon(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, float *rgb);
void rdct_y_to_grey8_neon(const int16_t *y, int n, uint8_t *grey);
void rdct_y_to_grey16_neon(const int16_t *y, int n, uint16_t *grey);
void rdct_y_to_greyf_neon(const int16_t *y, int n, float *grey);
void rdct_downsample_h2_neon(const int16_t *in, int n, int16_t *out);
void rdct_downsample_h2v2_neon(const int16_t *in0, const int16_t *in1, int n, int16_t *out);
void rdct_upsample_v2_neon(const int16_t *near_row, const int16_t *far_row, int n, int16_t *out);
void rdct_upsample_h2_neon(const int16_t *in, int n, int16_t *out);
void rdct_fdct_quantize_neon(const int16_t *plane, ptrdiff_t stride, int n, const RdctQuantizer *const *quantizers, int16_t *qcoef,
                             uint64_t *nonzero);
void rdct_dequant_idct_neon(const int16_t *qcoef, const uint16_t *const *steps, const uint64_t *nonzero, int n, int16_t *plane,
                            ptrdiff_t stride);

uint32_t rdct_crc32c_sse42(const uint8_t *data, size_t size);
uint32_t rdct_crc32c_arm(const uint8_t *data, size_t size);

#endif
