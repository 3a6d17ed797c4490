/* SPDX-License-Identifier: Apache-2.0
 * Colour, VEC_WIDTH pixels at once: color.c in the words of a vec_*.h. Every function needs n to be at least one step; the last
 * step may repeat pixels of the one before. */
#include "dsp/dsp.h"

VEC_FN void rgb_to_ycc_row(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        vec_rgb_to_ycc(rgb + 3 * x, y + x, cb + x, cr + x);
    }
}

VEC_FN void grey_to_y_row(const uint8_t *grey, int n, int16_t *y) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        vec_store(y + x, vec_sll(vec_sub(vec_widen_u8(grey + x), vec_set(128)), 3));
    }
}

typedef struct ColorRgb {
    Vec r, g, b;
} ColorRgb;

VEC_FN ColorRgb color_to_rgb(const int16_t *y, const int16_t *cb, const int16_t *cr) {
    const Vec luma = vec_load(y), blue = vec_load(cb), red = vec_load(cr);
    const ColorRgb out = {
        vec_adds(luma, vec_adds(red, vec_mulhrs(red, 13173))),
        vec_subs(vec_subs(luma, vec_mulhrs(blue, 11277)), vec_mulhrs(red, 23401)),
        vec_adds(luma, vec_subs(vec_adds(blue, blue), vec_mulhrs(blue, 7471))),
    };
    return out;
}

/* clamp((v + 8) >> 4, -128, 127) + 128 */
VEC_FN Vec color_bytes(Vec a, Vec b) {
    const Vec half = vec_set(8);
    return vec_xor(vec_pack8(vec_sra(vec_adds(a, half), 4), vec_sra(vec_adds(b, half), 4)), vec_set((int16_t)0x8080));
}

enum { COLOR_STEP = 2 * VEC_WIDTH };

VEC_FN void ycc_to_rgb8_row(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb) {
    for (int i = 0; i < n; i += COLOR_STEP) {
        const int x = i + COLOR_STEP <= n ? i : n - COLOR_STEP;
        const ColorRgb a = color_to_rgb(y + x, cb + x, cr + x);
        const ColorRgb b = color_to_rgb(y + x + VEC_WIDTH, cb + x + VEC_WIDTH, cr + x + VEC_WIDTH);
        vec_store_rgb8(rgb + 3 * x, color_bytes(a.r, b.r), color_bytes(a.g, b.g), color_bytes(a.b, b.b));
    }
}

VEC_FN void y_to_grey8_row(const int16_t *y, int n, uint8_t *grey) {
    for (int i = 0; i < n; i += COLOR_STEP) {
        const int x = i + COLOR_STEP <= n ? i : n - COLOR_STEP;
        vec_store(grey + x, color_bytes(vec_load(y + x), vec_load(y + x + VEC_WIDTH)));
    }
}

/* 0..4080, sixteenths of a grey level. */
VEC_FN Vec color_sixteenths(Vec v) {
    return vec_add(vec_min(vec_max(v, vec_set(-2048)), vec_set(2032)), vec_set(2048));
}

VEC_FN Vec color_u16(Vec v) {
    const Vec u = color_sixteenths(v);
    return vec_add(vec_sll(u, 4), vec_sra(vec_add(u, vec_set(8)), 4));
}

VEC_FN void ycc_to_rgb16_row(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint16_t *rgb) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        const ColorRgb v = color_to_rgb(y + x, cb + x, cr + x);
        vec_store_rgb16(rgb + 3 * x, color_u16(v.r), color_u16(v.g), color_u16(v.b));
    }
}

VEC_FN void ycc_to_rgbf_row(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, float *rgb) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        const ColorRgb v = color_to_rgb(y + x, cb + x, cr + x);
        vec_store_rgbf(rgb + 3 * x, color_sixteenths(v.r), color_sixteenths(v.g), color_sixteenths(v.b));
    }
}

VEC_FN void y_to_grey16_row(const int16_t *y, int n, uint16_t *grey) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        vec_store(grey + x, color_u16(vec_load(y + x)));
    }
}

VEC_FN void y_to_greyf_row(const int16_t *y, int n, float *grey) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        vec_store_float(grey + x, color_sixteenths(vec_load(y + x)));
    }
}
