/* SPDX-License-Identifier: Apache-2.0
 * Colour, scalar reference. Towards YCbCr: 32-bit multiply-add of 16-bit pairs, (R, G) and (B, 1), as pmaddwd does it.
 * Back to RGB: 16-bit operations. Constants and rounding: docs/bitstream.md, section 9. */
#include "common/intops.h"
#include "dsp/reference.h"

void rdct_rgb_to_ycc_c(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr) {
    for (int i = 0; i < n; i++) {
        const int r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
        y[i] = (int16_t)(((9798 * r + 19235 * g + 3735 * b + 2048) >> 12) - 1024);
        cb[i] = (int16_t)((-5529 * r - 10855 * g + 16384 * b + 2048) >> 12);
        cr[i] = (int16_t)((16384 * r - 13720 * g - 2664 * b + 2048) >> 12);
    }
}

void rdct_grey_to_y_c(const uint8_t *grey, int n, int16_t *y) {
    for (int i = 0; i < n; i++)
        y[i] = (int16_t)((grey[i] - 128) * 8);
}

typedef struct Rgb16 {
    int16_t r, g, b;
} Rgb16;

/* At x 16; 1.402 = 1 + 13173 / 2^15, 0.344136 = 11277 / 2^15, 0.714136 = 23401 / 2^15, 1.772 = 2 - 7471 / 2^15. Where the
 * sums saturate, this order of operations is the definition. */
static inline Rgb16 to_rgb(int16_t y, int16_t cb, int16_t cr) {
    Rgb16 out;
    out.r = rdct_adds16(y, rdct_adds16(cr, rdct_mulhrs16(cr, 13173)));
    out.g = rdct_subs16(rdct_subs16(y, rdct_mulhrs16(cb, 11277)), rdct_mulhrs16(cr, 23401));
    out.b = rdct_adds16(y, rdct_subs16(rdct_adds16(cb, cb), rdct_mulhrs16(cb, 7471)));
    return out;
}

static inline uint8_t to_u8(int16_t v) {
    return (uint8_t)(rdct_clamp(rdct_round_shift16(v, 4), -128, 127) + 128);
}

/* 0..4080, sixteenths of a grey level. */
static inline int to_sixteenths(int16_t v) {
    return rdct_clamp(v, -2048, 2032) + 2048;
}

/* u * 65535 / 4080 = 16 u + u / 16 exactly, rounded half up. */
static inline uint16_t to_u16(int16_t v) {
    const int u = to_sixteenths(v);
    return (uint16_t)((u << 4) + ((u + 8) >> 4));
}

static inline float to_float(int16_t v) {
    return (float)to_sixteenths(v) * 0.0625f;
}

void rdct_ycc_to_rgb8_c(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb) {
    for (int i = 0; i < n; i++) {
        const Rgb16 v = to_rgb(y[i], cb[i], cr[i]);
        rgb[3 * i] = to_u8(v.r);
        rgb[3 * i + 1] = to_u8(v.g);
        rgb[3 * i + 2] = to_u8(v.b);
    }
}

void rdct_ycc_to_rgb16_c(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint16_t *rgb) {
    for (int i = 0; i < n; i++) {
        const Rgb16 v = to_rgb(y[i], cb[i], cr[i]);
        rgb[3 * i] = to_u16(v.r);
        rgb[3 * i + 1] = to_u16(v.g);
        rgb[3 * i + 2] = to_u16(v.b);
    }
}

void rdct_ycc_to_rgbf_c(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, float *rgb) {
    for (int i = 0; i < n; i++) {
        const Rgb16 v = to_rgb(y[i], cb[i], cr[i]);
        rgb[3 * i] = to_float(v.r);
        rgb[3 * i + 1] = to_float(v.g);
        rgb[3 * i + 2] = to_float(v.b);
    }
}

void rdct_y_to_grey8_c(const int16_t *y, int n, uint8_t *grey) {
    for (int i = 0; i < n; i++)
        grey[i] = to_u8(y[i]);
}

void rdct_y_to_grey16_c(const int16_t *y, int n, uint16_t *grey) {
    for (int i = 0; i < n; i++)
        grey[i] = to_u16(y[i]);
}

void rdct_y_to_greyf_c(const int16_t *y, int n, float *grey) {
    for (int i = 0; i < n; i++)
        grey[i] = to_float(y[i]);
}
