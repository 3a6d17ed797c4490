/* SPDX-License-Identifier: Apache-2.0 */
#include "dsp/cpu.h"
#if RDCT_HAVE_X86

#include "dsp/vec_avx2.h"

#include "dsp/color_inl.h"
#include "dsp/reference.h"
#include "dsp/variants.h"

VEC_TARGET void rdct_rgb_to_ycc_avx2(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr) {
    if (n < VEC_WIDTH) {
        rdct_rgb_to_ycc_ssse3(rgb, n, y, cb, cr);
        return;
    }
    rgb_to_ycc_row(rgb, n, y, cb, cr);
}

VEC_TARGET void rdct_grey_to_y_avx2(const uint8_t *grey, int n, int16_t *y) {
    if (n < VEC_WIDTH) {
        rdct_grey_to_y_ssse3(grey, n, y);
        return;
    }
    grey_to_y_row(grey, n, y);
}

VEC_TARGET void rdct_ycc_to_rgb8_avx2(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb) {
    if (n < COLOR_STEP) {
        rdct_ycc_to_rgb8_ssse3(y, cb, cr, n, rgb);
        return;
    }
    ycc_to_rgb8_row(y, cb, cr, n, rgb);
}

VEC_TARGET void rdct_y_to_grey8_avx2(const int16_t *y, int n, uint8_t *grey) {
    if (n < COLOR_STEP) {
        rdct_y_to_grey8_ssse3(y, n, grey);
        return;
    }
    y_to_grey8_row(y, n, grey);
}

VEC_TARGET void rdct_ycc_to_rgb16_avx2(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint16_t *rgb) {
    if (n < VEC_WIDTH) {
        rdct_ycc_to_rgb16_ssse3(y, cb, cr, n, rgb);
        return;
    }
    ycc_to_rgb16_row(y, cb, cr, n, rgb);
}

VEC_TARGET void rdct_ycc_to_rgbf_avx2(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, float *rgb) {
    if (n < VEC_WIDTH) {
        rdct_ycc_to_rgbf_ssse3(y, cb, cr, n, rgb);
        return;
    }
    ycc_to_rgbf_row(y, cb, cr, n, rgb);
}

VEC_TARGET void rdct_y_to_grey16_avx2(const int16_t *y, int n, uint16_t *grey) {
    if (n < VEC_WIDTH) {
        rdct_y_to_grey16_ssse3(y, n, grey);
        return;
    }
    y_to_grey16_row(y, n, grey);
}

VEC_TARGET void rdct_y_to_greyf_avx2(const int16_t *y, int n, float *grey) {
    if (n < VEC_WIDTH) {
        rdct_y_to_greyf_ssse3(y, n, grey);
        return;
    }
    y_to_greyf_row(y, n, grey);
}

#endif
