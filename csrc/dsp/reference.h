/* SPDX-License-Identifier: Apache-2.0
 * The scalar kernels: the reference every instruction set must equal, and the fall-back of the ladder. */
#ifndef RDCT_DSP_REFERENCE_H
#define RDCT_DSP_REFERENCE_H

#include "dsp/dsp.h"

void rdct_rgb_to_ycc_c(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr);
void rdct_grey_to_y_c(const uint8_t *grey, int n, int16_t *y);
void rdct_downsample_h2_c(const int16_t *in, int n, int16_t *out);
void rdct_downsample_h2v2_c(const int16_t *in0, const int16_t *in1, int n, int16_t *out);
/* The two halves of fdct_quantize, one block. Coefficients: JPEG units x 8, natural order; qcoef: zigzag order. */
void rdct_fdct_c(const int16_t *plane, ptrdiff_t stride, int16_t *coefficients);
uint64_t rdct_quantize_c(const int16_t *coefficients, const RdctQuantizer *quantizer, int16_t *qcoef);
void rdct_fdct_quantize_c(const int16_t *plane, ptrdiff_t stride, int n, const RdctQuantizer *const *quantizers, int16_t *qcoef,
                          uint64_t *nonzero);
void rdct_dequant_idct_c(const int16_t *qcoef, const uint16_t *const *steps, const uint64_t *nonzero, int n, int16_t *plane,
                         ptrdiff_t stride);
void rdct_upsample_v2_c(const int16_t *near_row, const int16_t *far_row, int n, int16_t *out);
void rdct_upsample_h2_c(const int16_t *in, int n, int16_t *out);
void rdct_ycc_to_rgb8_c(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb);
void rdct_ycc_to_rgb16_c(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint16_t *rgb);
void rdct_ycc_to_rgbf_c(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, float *rgb);
void rdct_y_to_grey8_c(const int16_t *y, int n, uint8_t *grey);
void rdct_y_to_grey16_c(const int16_t *y, int n, uint16_t *grey);
void rdct_y_to_greyf_c(const int16_t *y, int n, float *grey);

#endif
